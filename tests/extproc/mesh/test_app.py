"""The process as it is run: real HTTP to an API server in memory, real gRPC to an Envoy."""

import asyncio
from math import inf

import grpc
import pytest

from extproc.mesh.app import run
from extproc.settings import Settings
from feed.board import Board, HoldName
from feed.listener import Listener
from kube.connection import ConfigError
from kube.resource import ENDPOINT_SLICES
from telemetry.app import Telemetry
from telemetry.catalogue.controlling import FEED_AGE, FEED_COMPLETE
from telemetry.catalogue.holding import (
    COLD_START,
    DEMAND_AGE,
    IN_FLIGHT,
    LIMIT,
    PARKED,
    RATE,
    REQUESTS,
    SETTLE,
    WAKES,
)
from telemetry.settings import TraceSettings
from tests.extproc.fake_envoy import connected, goes_on, request_headers
from tests.extproc.mesh.objects import endpoints
from tests.extproc.mesh.running import Running, feed_at, is_serving

CART = HoldName("shop", "cart")


def read(reports: Telemetry):
    """What is counted, by metric."""
    return {each.metric: each.values for each in reports.read()}


async def test_a_request_wakes_its_workload_and_goes_on(api, running, eventually):
    """The whole product, in a cluster of memory."""
    async with connected(running.port) as envoy:
        call = await envoy.ask(request_headers())
        await eventually(lambda: api.replicas == 1)
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        assert [(0, 1)] == api.scaled
        assert running.is_ready
        assert await is_serving(envoy)


async def test_what_it_does_can_be_read_off(api, running, eventually):
    """The story of one wake, as a dashboard has it."""
    async with connected(running.port) as envoy:
        call = await envoy.ask(request_headers())
        await eventually(lambda: read(running.reports)[WAKES].get((*CART, "layby")))
        found = read(running.reports)
        assert {CART: 1.0} == found[PARKED]
        # What has not happened yet is counted too, or Prometheus would not know of the first time.
        assert 0.0 == found[WAKES][*CART, "autoscaler"]
        assert {(): 20_000.0} == found[LIMIT]
        assert {(): 0.0} == found[SETTLE]
        assert {(): inf} == found[FEED_AGE]
        assert {(): 0.0} == found[FEED_COMPLETE]
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await eventually(lambda: read(running.reports)[PARKED] == {CART: 0.0})
        found = read(running.reports)
        assert {(*CART, "released"): 1.0} == {h: n for h, n in found[REQUESTS].items() if n}
        assert {CART: 0.0} == found[RATE]
        assert 0.0 <= found[DEMAND_AGE][CART] < 5.0
        assert {CART} == found[IN_FLIGHT].keys()
        [started] = [each for each in running.reports.read() if each.metric is COLD_START]
        assert [(*CART, "ready")] == list(started.distributions)


async def test_it_is_not_ready_before_it_knows_what_is_held(api, caplog, eventually):
    """Envoy is sent elsewhere until then, if there is any elsewhere."""
    api.down = True
    running = Running(caplog)
    await eventually(lambda: running.port is not None)
    assert running.port
    async with connected(running.port) as envoy:
        await eventually(lambda: api.asked)
        assert not await is_serving(envoy)
    await running.stop()


async def test_the_controller_hears_of_its_requests(running, eventually):
    """On a port that Envoys have no business on: which requests wait is nobody else's to know."""
    board = Board()
    listener = Listener(board, lambda: None)
    listening = asyncio.create_task(listener.run(), name="listener")
    await asyncio.sleep(0)
    async with connected(running.port) as envoy:
        listener.expect([f"127.0.0.1:{running.feed_port}"])
        call = await envoy.ask(request_headers())
        await eventually(lambda: board.total(CART).pending == 1)
        call.cancel()
        await eventually(lambda: board.total(CART).pending == 0)
    listening.cancel()
    await asyncio.wait([listening])


async def test_envoys_port_tells_nobody_the_demand(running):
    """Whoever may reach it, NetworkPolicy and mTLS leave the feed to those it is for."""
    async with feed_at(running.port) as stream:
        assert grpc.StatusCode.UNIMPLEMENTED == await stream.code()


async def test_without_a_way_to_the_api_server_it_does_not_begin(tmp_path, monkeypatch):
    """A hold server that knows of no hold would let every request go."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    reports = Telemetry(None, TraceSettings())
    with pytest.raises(ConfigError):
        await run(Settings(listen="127.0.0.1:0"), asyncio.Event(), reports)
