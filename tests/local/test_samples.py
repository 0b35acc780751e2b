"""The demo's workload ends as a workload should: what it is at is finished, and nothing is said."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local import samples
from local.address import free_port

Start = Callable[[str], tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def slow() -> Start:
    """Start the slow sample, and tell its port."""

    def start(seconds: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        program = str(Path(samples.__path__[0]) / "slow.py")
        process = subprocess.Popen(
            [sys.executable, program, seconds],
            env={**os.environ, "PORT": str(port)},
            stderr=subprocess.PIPE,
        )
        return process, port

    return start


async def test_it_ends_quietly_with_connections_open(slow: Start, eventually):
    """A proxy keeps idle connections; a traceback for each would look like a fault."""
    process, port = slow("0")
    connections: list[socket.socket] = []

    def connected() -> bool:
        try:
            connections.append(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            return False
        return True

    await eventually(connected)
    connected()
    with process, connections[0] as used, connections[1] as unused:
        used.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert used.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")

        process.send_signal(signal.SIGTERM)

        _, said = process.communicate(timeout=3)
        assert (0, b"") == (process.returncode, said)
        assert b"" == unused.recv(1)


async def test_it_ends_while_it_starts(slow: Start, eventually):
    """As soon as it can hear a signal at all."""
    process, _ = slow("60")
    status = Path(f"/proc/{process.pid}/status")

    def catches_sigterm() -> bool:
        caught = status.read_text().partition("SigCgt:")[2].split()[0]
        return bool(int(caught, 16) & 1 << signal.SIGTERM - 1)

    with process:
        await eventually(catches_sigterm)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=3)
        assert (0, b"") == (process.returncode, said)
