"""The process as it is run: real HTTP to an API server in memory, real gRPC to an Envoy."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from math import inf

import grpc
import pytest
import yaml
from aiohttp import web
from grpc_health.v1 import health_pb2

from extproc.mesh.app import run
from extproc.settings import Settings
from feed.board import Board, HoldName
from feed.listener import Listener
from kube.connection import ConfigError
from kube.request import Request
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
from tests.extproc.mesh.scaled_api import ScaledApi
from tests.feed.feeds import ScriptedFeed, serving
from tests.kube.http_server import Server

COLLECTIONS = {"trafficholds", "services", "endpointslices", "pods"}
SERVING = health_pb2.HealthCheckResponse.SERVING
CART = HoldName("shop", "cart")


class HttpApi:
    """Serves an API in memory over HTTP."""

    def __init__(self) -> None:
        self.api = ScaledApi()
        self.server = Server()
        self.server.handler = self._handle

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        verb = {"GET": "get", "PATCH": "patch"}[request.method]
        if request.path.rpartition("/")[2] in COLLECTIONS:
            verb = "watch" if "watch" in request.query else "list"
        sent = await request.read()
        body = json.loads(sent) if sent else None
        query = dict(request.query)
        answer = await self.api.send(Request(verb, request.method, request.path, query, body))
        if verb != "watch":
            return web.Response(body=await answer.read(), status=answer.status)
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in answer.chunks():
            await response.write(piece)
        return response


@asynccontextmanager
async def serving_api():
    """An API server on a port."""
    http = HttpApi()
    runner = web.ServerRunner(web.Server(http.server.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    http.server.url = f"http://{host}:{port}"
    yield http
    http.api.cut(None)
    await runner.cleanup()


@pytest.fixture
async def api(tmp_path, monkeypatch):
    """An API server in memory, to which `$KUBECONFIG` leads."""
    async with serving_api() as http:
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": http.server.url}}],
            "users": [{"name": "me", "user": {}}],
        }
        file = tmp_path / "config"
        file.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(file))
        yield http.api


class Running:
    """A hold server that runs."""

    def __init__(self, caplog) -> None:
        caplog.set_level("INFO", "extproc.mesh.app")
        self._caplog = caplog
        self._port: int | None = None
        self.stopping = asyncio.Event()
        settings = Settings(
            listen="127.0.0.1:0", scaler_listen="127.0.0.1:0", settle_seconds=0.0, drain_seconds=3.0
        )
        self.reports = Telemetry(None, TraceSettings())
        serving = run(settings, self.stopping, self.reports)
        self.task = asyncio.create_task(serving, name="run")

    @property
    def port(self) -> int | None:
        """Where it serves, once it does."""
        # It is said before the test itself begins, and then not to be read any more.
        if found := re.search(r"serving on port (\d+)", self._caplog.text):
            self._port = int(found[1])
        return self._port

    @property
    def is_ready(self) -> bool:
        """Whether it says so."""
        return "ready: 1 workloads are held" in self._caplog.text

    async def stop(self) -> None:
        """End, and see that it ends well."""
        self.stopping.set()
        async with asyncio.timeout(5):
            await self.task


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
        await eventually(lambda: read(running.reports)[WAKES] == {(*CART, "layby"): 1.0})
        found = read(running.reports)
        assert {CART: 1.0} == found[PARKED]
        assert {(): 20_000.0} == found[LIMIT]
        assert {(): 0.0} == found[SETTLE]
        assert {(): inf} == found[FEED_AGE]
        assert {(): 0.0} == found[FEED_COMPLETE]
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await eventually(lambda: read(running.reports)[PARKED] == {CART: 0.0})
        found = read(running.reports)
        assert {(*CART, "released"): 1.0} == found[REQUESTS]
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
    """On the same port: which requests wait is nobody else's to know."""
    board = Board()
    listener = Listener(board, lambda: None)
    listening = asyncio.create_task(listener.run(), name="listener")
    await asyncio.sleep(0)
    async with connected(running.port) as envoy:
        listener.expect([f"127.0.0.1:{running.port}"])
        call = await envoy.ask(request_headers())
        await eventually(lambda: board.total(CART).pending == 1)
        call.cancel()
        await eventually(lambda: board.total(CART).pending == 0)
    listening.cancel()
    await asyncio.wait([listening])


@asynccontextmanager
async def beside(api, running, *, ready: bool, eventually):
    """Another hold server, which is ready or not, as the one that runs has heard."""
    feed = ScriptedFeed()
    async with serving(feed) as port:
        # Both are on this machine: each has a slice of its own, for its port.
        for name, each, condition in (("own", running.port, True), ("other", port, ready)):
            item = endpoints("layby-extproc", condition, port="grpc", name=name)
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
