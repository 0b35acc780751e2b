"""What Docker runs in a container to learn how it is, run against what it would ask there."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from controller.health import health
from extproc.server import Server

SCRIPT = Path(__file__).parents[2] / "deploy" / "image" / "healthcheck.py"


async def check(service, **environment):
    """Return its exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        SCRIPT,
        service,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.fixture
async def server():
    """A hold server's gRPC server, and where it listens."""
    server = Server([])
    port = server.listen("127.0.0.1:0")
    await server.start()
    yield server, port
    await server.stop(0)


@pytest.mark.parametrize(
    ("ready", "code", "status"), [(True, 0, "SERVING"), (False, 1, "NOT_SERVING")]
)
async def test_a_hold_server_is_healthy_while_it_serves(server, ready, code, status):
    """A check that always fails calls what is well unhealthy; it must be seen to pass too."""
    running, port = server
    await running.serving(ready=ready)
    told = await check("extproc", LAYBY_EXTPROC_LISTEN=f"0.0.0.0:{port}")
    assert (code, f"127.0.0.1:{port}: {status}\n") == told


@pytest.mark.parametrize(("ready", "code", "status"), [(True, 0, 200), (False, 1, 503)])
async def test_a_controller_is_healthy_when_it_is_ready(ready, code, status):
    """Its answer comes by HTTP, where what is not ready is an error."""
    async with health("127.0.0.1", 0, lambda: ready) as port:
        told = await check(
            "controller",
            LAYBY_CONTROLLER_HEALTH_HOST="0.0.0.0",
            LAYBY_CONTROLLER_HEALTH_PORT=str(port),
        )
    assert (code, f"http://127.0.0.1:{port}/readyz: {status}\n") == told


async def test_what_does_not_listen_is_not_healthy_and_said_to_be_so(unused_tcp_port):
    """Exit code 1 alone may be any mistake in the script itself."""
    port = str(unused_tcp_port)
    told = await check("extproc", LAYBY_EXTPROC_LISTEN=f"127.0.0.1:{port}")
    assert (1, f"127.0.0.1:{port}: UNAVAILABLE\n") == told
    where = {"LAYBY_CONTROLLER_HEALTH_HOST": "127.0.0.1", "LAYBY_CONTROLLER_HEALTH_PORT": port}
    code, said = await check("controller", **where)
    assert (1, True) == (code, "Connection refused" in said), said
    assert said.startswith(f"http://127.0.0.1:{port}/readyz: "), said


async def test_what_is_no_service_is_healthy_for_as_long_as_it_runs():
    """`layby demo` in a container has nothing to be asked."""
    assert (0, "") == await check("demo")
