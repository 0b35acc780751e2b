"""`/metrics` over HTTP."""

import socket

import aiohttp
import pytest

from telemetry.catalogue import METRICS
from telemetry.catalogue.holding import PARKED
from telemetry.serving import serve
from telemetry.store import Store


async def fetch(port, path="/metrics", **headers):
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response,
    ):
        return response.status, response.content_type, await response.text()


async def test_prometheus_gets_what_it_asks_for():
    store = Store(METRICS)
    store.add(PARKED, ("shop", "cart"), 2)
    async with serve("127.0.0.1", 0, store.read) as port:
        plain = await fetch(port)
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        openmetrics = await fetch(port, accept=accept)
    assert (200, "text/plain") == plain[:2]
    assert 'layby_hold_parked{name="cart",namespace="shop"} 2.0' in plain[2]
    assert (200, "application/openmetrics-text") == openmetrics[:2]
    assert openmetrics[2].endswith("# EOF\n")


async def test_there_is_nothing_else():
    async with serve("127.0.0.1", 0, list) as port:
        assert 404 == (await fetch(port, "/"))[0]


async def test_an_address_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as other:
        serving = serve("127.0.0.1", other.getsockname()[1], list)
        with pytest.raises(OSError, match="address already in use"):
            await serving.__aenter__()
