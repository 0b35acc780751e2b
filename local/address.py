"""Loopback addresses and ports: where a workload listens, and which port it can have.

Must not know workloads or configuration.
"""

import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST_PORT = 10_240
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 64


def free_port() -> int:
    """Choose a port on which nothing listens.

    It lies below the range that the kernel gives to outgoing connections where that is possible:
    between this choice and the workload's own bind, a busy proxy's connections could take it.
    """
    highest = _first_ephemeral_port()
    for _ in range(_TRIES if highest > _LOWEST_PORT else 0):
        port = _LOWEST_PORT + secrets.randbelow(highest - _LOWEST_PORT)
        if not in_use(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def in_use(port: int) -> bool:
    """Tell whether something listens on this port already, on any local address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT does not count
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:  # a privileged port: only the workload can know
            return False
        except OSError:
            return True
    return False


def _first_ephemeral_port() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
