import asyncio

import pytest

from cli.health import reachable
from extproc.server import LIVENESS, Server


@pytest.fixture
async def server():
    """A hold server's gRPC server, which has just started."""
    server = Server([])
    port = server.listen("127.0.0.1:0")
    await server.start()
    yield server, f"127.0.0.1:{port}"
    await server.stop(0)


async def test_one_that_serves_is_told_from_one_that_drains(layby, server):
    """As an Envoy, a kubelet or Docker would ask."""
    running, address = server
    await running.serving(ready=True)
    result = await asyncio.to_thread(layby, "health", address)
    assert (0, f"{address}: SERVING\n") == (result.exit_code, result.stdout)
    await running.serving(ready=False)
    result = await asyncio.to_thread(layby, "health", address)
    assert (1, f"{address}: NOT_SERVING\n") == (result.exit_code, result.stdout)
    result = await asyncio.to_thread(layby, "health", address, "--service", LIVENESS)
    assert 0 == result.exit_code


def test_one_that_is_not_there_is_told_where_it_was_looked_for(layby, monkeypatch):
    """It is the variable that the hold server itself is told by."""
    monkeypatch.setenv("LAYBY_EXTPROC_LISTEN", "0.0.0.0:1")
    result = layby("health", "--timeout", "2")
    assert 1 == result.exit_code
    assert "Error: 127.0.0.1:1: UNAVAILABLE: " in result.stderr


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:9002", "127.0.0.1:9002"),
        ("[::]:9002", "127.0.0.1:9002"),
        ("10.0.0.7:9002", "10.0.0.7:9002"),
    ],
)
def test_what_listens_everywhere_is_asked_here(listen, expected):
    assert expected == reachable(listen)
