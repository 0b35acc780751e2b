"""The process as it is run: real HTTP to an API server in memory, real gRPC to an Envoy."""

import asyncio
from contextlib import asynccontextmanager
from math import inf

import grpc
import pytest
from grpc_health.v1 import health_pb2

from extproc.mesh.app import run
from extproc.settings import Settings
from feed.board import Board, HoldName
from feed.feed_pb2 import Report, WatchRequest
from feed.hold_servers import PORT_NAME
from feed.listener import Listener
from feed.service import SERVICE
from kube.connection import ConfigError
from kube.resource import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES, TRAFFIC_HOLDS
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
from tests.extproc.fake_envoy import connected, failure, goes_on, request_headers
from tests.extproc.mesh.objects import deployment, endpoints, hold, service
from tests.extproc.mesh.running import Running
from tests.feed.feeds import ScriptedFeed, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
CART = HoldName("shop", "cart")


def read(reports: Telemetry):
    """What is counted, by metric."""
    return {each.metric: each.values for each in reports.read()}


@pytest.fixture
async def running(api, caplog, eventually):
    """A hold server for `cart`, which sleeps."""
    api.put(DEPLOYMENTS, deployment())
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    running = Running(caplog)
    await eventually(lambda: running.port is not None)
    yield running
    await running.stop()


async def is_serving(envoy) -> bool:
    """Whether its health service says that it may be asked."""
    check = envoy.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = await check(health_pb2.HealthCheckRequest(service=""))
    return bool(answer.status == SERVING)


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


@asynccontextmanager
async def watching(port):
    """A stream of the demand feed."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = channel.unary_stream(
            f"/{SERVICE}/Watch",
            request_serializer=WatchRequest.SerializeToString,
            response_deserializer=Report.FromString,
        )
        yield watch(WatchRequest())


async def test_envoys_port_tells_nobody_the_demand(running):
    """Whoever may reach it, NetworkPolicy and mTLS leave the feed to those it is for."""
    async with watching(running.port) as stream:
        assert grpc.StatusCode.UNIMPLEMENTED == await stream.code()


async def test_the_feed_ends_before_what_it_tells_of(api, running):
    """It never says that a request is over which is about to wait elsewhere."""
    async with connected(running.port) as envoy, watching(running.feed_port) as stream:
        call = await envoy.ask(request_headers())
        pending = 0
        while not pending:
            report = await stream.read()
            pending = sum(each.pending for each in report.holds)
        running.stopping.set()
        while (report := await stream.read()) is not grpc.aio.EOF:
            assert 1 == sum(each.pending for each in report.holds)
        assert grpc.StatusCode.OK == await stream.code()
        assert not call.done()
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await running.stop()


@asynccontextmanager
async def beside(api, running, *, ready: bool, eventually):
    """Another hold server, which is ready or not, as the one that runs has heard."""
    feed = ScriptedFeed()
    async with serving(feed) as port:
        # Both are on this machine: each has a slice of its own, for its port.
        for name, each, condition in (("own", running.feed_port, True), ("other", port, ready)):
            item = endpoints("layby-extproc", condition, port=PORT_NAME, name=name)
            item["metadata"]["namespace"] = "layby-system"
            item["ports"][0]["port"] = each
            item["endpoints"][0]["addresses"] = ["127.0.0.1"]
            api.put(ENDPOINT_SLICES, item)
        await eventually(lambda: feed.streams)
        yield


async def test_stopping_hands_over_what_is_parked_and_leaves_nothing(api, running, eventually):
    """Even in the middle of a wake: a successor goes on with it."""
    async with (
        beside(api, running, ready=True, eventually=eventually),
        connected(running.port) as envoy,
    ):
        call = await envoy.ask(request_headers())
        await eventually(lambda: api.replicas == 1)
        running.stopping.set()
        assert grpc.StatusCode.UNAVAILABLE == await failure(call)
        await running.stop()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith(("wake", "watch", "pods", "ready"))]


async def test_stopping_hands_over_to_nobody_who_is_not_ready(api, running, eventually):
    """Its streams would fail, and their requests with them: it waits for the workload itself."""
    async with (
        beside(api, running, ready=False, eventually=eventually),
        connected(running.port) as envoy,
    ):
        call = await envoy.ask(request_headers())
        await eventually(lambda: api.replicas == 1)
        running.stopping.set()
        while await is_serving(envoy):
            pass
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await running.stop()


async def test_without_a_way_to_the_api_server_it_does_not_begin(tmp_path, monkeypatch):
    """A hold server that knows of no hold would let every request go."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    reports = Telemetry(None, TraceSettings())
    with pytest.raises(ConfigError):
        await run(Settings(listen="127.0.0.1:0"), asyncio.Event(), reports)
