import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType
from grpc_health.v1 import health_pb2

from extproc.app import HoldServer
from extproc.core.workload import Hold, Workload, WorkloadKey
from tests.extproc.fake_envoy import (
    CLUSTER,
    answer,
    connected,
    failure,
    goes_on,
    headers_of,
    refused,
    request_headers,
)
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.log_entries import entry, message

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
BOOK_CLUSTER = "outbound|80||book.shop.svc.cluster.local"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Rig:
    """A hold server for two workloads, and an Envoy."""

    def __init__(self, server: HoldServer, port: int, envoy) -> None:
        self.server = server
        self.port = port
        self.envoy = envoy

    async def park(self, eventually, cluster=CLUSTER):
        """Open a stream and wait until its request is parked."""
        before = self.server.throttler.pending()
        call = await self.envoy.ask(request_headers(cluster))
        await eventually(lambda: self.server.throttler.pending() > before)
        return call

    def watch(self):
        """A health watch over the same connection."""
        watch = self.envoy.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        return watch(health_pb2.HealthCheckRequest(service=""))


@asynccontextmanager
async def serving(**options):
    server = HoldServer(
        FakeWaker(),
        {CLUSTER: CART, BOOK_CLUSTER: BOOK}.get,
        max_pending=100,
        settle=0.0,
        **options,
    )
    port = await server.start("127.0.0.1:0")
    await server.ready()
    server.replace({key: Workload(key, Hold(timeout=30.0)) for key in (CART, BOOK)})
    async with connected(port) as envoy:
        yield Rig(server, port, envoy)
    await server.drain(0, hand_over=False)
    assert server.throttler.pending() == 0
    assert server.throttler._waiters == {}


@pytest.fixture
async def rig():
    async with serving() as running:
        yield running


async def connects(port: int) -> bool:
    """Whether a new connection is accepted."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_it_holds_and_lets_go(rig, eventually):
    """All the parts, put together as they are in production."""
    call = await rig.park(eventually)
    assert rig.server.demand(CART).pending == 1
    rig.server.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)
    assert rig.server.demand(CART).pending == 0


async def test_it_is_healthy_once_it_has_started(rig):
    """And says so to whoever watches."""
    watch = rig.watch()
    assert (await watch.read()).status == SERVING
    watch.cancel()


async def test_a_parked_request_and_the_access_log_make_one_demand(rig, eventually):
    """Both say when the last request came; only one of them says what is parked."""
    before = rig.server.demand(CART)
    call = await rig.park(eventually)
    await rig.envoy.log(message(entry(AccessLogType.UpstreamPoolReady)))
    await eventually(lambda: rig.server.demand(CART).in_flight == 1)
    assert rig.server.demand(CART).pending == 1
    rig.server.throttler.start_failed(CART, "exit 1")
    assert (await refused(call)).status is not None
    assert rig.server.demand(CART).last_request > before.last_request
    assert (rig.server.demand(BOOK).in_flight, rig.server.demand(BOOK).pending) == (0, 0)


async def test_further_services_are_served_beside_it(eventually):
    """Local mode serves xDS from the same socket."""

    async def echo(message: bytes, _context: object) -> bytes:
        return message

    handler = grpc.method_handlers_generic_handler(
        "layby.test.Echo", {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    )
    async with serving(services=[handler]) as rig:
        call = rig.envoy.channel.unary_unary("/layby.test.Echo/Echo")
        assert await call(b"hello", timeout=5) == b"hello"
        parked = await rig.park(eventually)
        rig.server.throttler.endpoints_changed(CART, 1)
        assert await goes_on(parked)


async def test_an_address_that_is_taken_is_an_os_error(rig):
    """Before anything is served."""
    other = HoldServer(FakeWaker(), lambda _: None, max_pending=1, settle=0.0)
    with pytest.raises(OSError, match="cannot listen"):
        await other.start(f"127.0.0.1:{rig.port}")
    await other.drain(0, hand_over=False)


async def test_drain_order_health_first_then_listeners_then_the_parked_are_handed_over(
    rig, eventually
):
    """Whoever is handed over must not come back here: at that moment nobody may be let in, and
    whoever asks must already have been told that this server is not the one.
    """
    calls = [await rig.park(eventually) for _ in range(20)]
    watch = rig.watch()
    assert (await watch.read()).status == SERVING
    told: list[str] = []

    async def watching() -> None:
        assert (await watch.read()).status == NOT_SERVING
        told.append("not serving")
        watch.cancel()

    async def handed_over(call) -> None:
        assert await failure(call) == grpc.StatusCode.UNAVAILABLE
        told.append("handed over")
        assert not await connects(rig.port)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(watching(), name="watch")
        for call in calls:
            tasks.create_task(handed_over(call), name="parked")
        await asyncio.sleep(0)
        await rig.server.drain(4, hand_over=True)
    assert told == ["not serving", *["handed over"] * 20]


async def test_a_stream_on_an_open_connection_is_turned_away_once_the_hand_over_began(
    rig, eventually
):
    """An Envoy has its connection already: it must move on as well."""
    parked = await rig.park(eventually)
    drain = asyncio.create_task(rig.server.drain(4, hand_over=True), name="drain")
    assert await failure(parked) == grpc.StatusCode.UNAVAILABLE
    late = await rig.envoy.ask()
    assert await failure(late) == grpc.StatusCode.UNAVAILABLE
    await drain


async def test_a_drain_without_a_successor_waits_for_releases_and_answers_the_rest(rig, eventually):
    """Nobody else could take them: as many as possible get their workload, the others a 503."""
    lucky, unlucky = await rig.park(eventually), await rig.park(eventually, BOOK_CLUSTER)
    drain = asyncio.create_task(rig.server.drain(0.3, hand_over=False), name="drain")
    watch = rig.watch()
    while (await watch.read()).status != NOT_SERVING:
        pass
    watch.cancel()
    assert not drain.done()
    late = await rig.park(eventually)
    rig.server.throttler.endpoints_changed(CART, 1)
    assert await goes_on(lucky)
    assert await goes_on(late)
    assert not drain.done()
    response = await refused(unlucky)
    assert response.status is not None
    assert (503, "layby_draining") == (response.status.code, response.details)
    assert "retry-after" in headers_of(response)
    await drain
    assert not await connects(rig.port)


@pytest.mark.parametrize("hand_over", [True, False])
async def test_a_drain_takes_no_longer_than_its_parked_requests(rig, eventually, hand_over):
    """Envoys never end their access-log streams: a server that waited for them would always take
    all the patience that it is given, and a rolling update with it.
    """
    log = await rig.envoy.log(message(entry(AccessLogType.UpstreamPoolReady)))
    await eventually(lambda: rig.server.demand(CART).in_flight == 1)
    async with asyncio.timeout(1.5):
        await rig.server.drain(30, hand_over=hand_over)
    assert await log.read() == b""
    assert await log.code() == grpc.StatusCode.OK


async def test_draining_twice_is_harmless(rig, eventually):
    """Whoever composes it drains in the end, whatever happened before."""
    call = await rig.park(eventually)
    await rig.server.drain(0, hand_over=False)
    assert (await answer(call)).immediate_response is not None
    await rig.server.drain(0, hand_over=True)
