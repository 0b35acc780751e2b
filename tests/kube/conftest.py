"""An API server in memory, or on a socket."""

import pytest
from aiohttp import web

from tests.kube.fake_api import FakeApi
from tests.kube.http_server import Server


@pytest.fixture
def api():
    """An API server in memory, on which nothing is yet."""
    return FakeApi()


@pytest.fixture
async def server():
    """A server that answers with an empty object."""
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    server.url = f"http://{host}:{port}"
    yield server
    await runner.cleanup()
