import asyncio
from contextlib import asynccontextmanager

from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType

from extproc.app import HoldServer
from extproc.core.workload import Workload, WorkloadKey
from extproc.mesh.demand import MeshDemand
from extproc.mesh.wakes import Wakes
from feed.board import HoldName, Share
from feed.hold_servers import HoldServers
from feed.wake import WakeOutcome
from tests.extproc.fake_envoy import CLUSTER, connected, request_headers
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.log_entries import entry, message
from tests.kube.fake_api import FakeApi

HTTP, ADMIN = WorkloadKey("shop", "cart", "cart:80"), WorkloadKey("shop", "cart", "cart:81")
BOOK = WorkloadKey("shop", "book", "book:80")
OTHERS = {
    "outbound|81||cart.shop.svc.cluster.local": ADMIN,
    "outbound|80||book.shop.svc.cluster.local": BOOK,
}
CART_NAME = HoldName("shop", "cart")


class Rig:
    """A hold server's demand; no other hold server is heard."""

    def __init__(self, server: HoldServer) -> None:
        self.server = server
        self.wakes = Wakes()
        hold_servers = HoldServers(FakeApi().kube, "layby-system", "layby-extproc")
        self.demand = MeshDemand(server, self.wakes, hold_servers)


@asynccontextmanager
async def serving():
    """A hold server for two ports of one hold and one of another, and an Envoy."""
    clusters = {CLUSTER: HTTP, **OTHERS}
    server = HoldServer(FakeWaker(), clusters.get, max_pending=100, settle=0.0)
    port = await server.start("127.0.0.1:0")
    server.replace({key: Workload(key) for key in clusters.values()})
    try:
        async with connected(port) as envoy:
            yield Rig(server), envoy
    finally:
        await server.drain(0, hand_over=False)


async def test_what_was_never_asked_for_is_left_out():
    """Thousands of holds may be idle."""
    async with serving() as (rig, _):
        assert {} == rig.demand.own()
        assert Share() == rig.demand.total(CART_NAME)
        assert not rig.demand.complete()


async def test_the_ports_of_a_hold_make_one_share(eventually):
    """It is the workload that sleeps, and not a port of it."""
    async with serving() as (rig, envoy):
        server = rig.server
        began = asyncio.get_running_loop().time()
        for cluster in (CLUSTER, *OTHERS):
            await envoy.ask(request_headers(cluster))
        await envoy.log(message(entry(AccessLogType.UpstreamPoolReady)))
        await eventually(lambda: server.demand(HTTP).requests == 1)
        await eventually(lambda: server.throttler.pending() == 3)
        found = rig.demand.own()
        assert {CART_NAME, HoldName("shop", "book")} == set(found)
        cart = found[CART_NAME]
        rates = server.demand(HTTP).rate + server.demand(ADMIN).rate
        last = max(server.demand(key).last_request for key in (HTTP, ADMIN))
        in_flight = server.demand(HTTP).in_flight + server.demand(ADMIN).in_flight
        assert Share(2, in_flight, rates, last, requests=1) == cart
        assert last >= began
        assert rates > 0


async def test_a_client_that_leaves_has_asked(eventually):
    """The start goes on for the next one, and idleness counts from here."""
    async with serving() as (rig, envoy):
        call = await envoy.ask(request_headers())
        await eventually(lambda: rig.server.throttler.pending() == 1)
        leaves_at = asyncio.get_running_loop().time()
        call.cancel()
        await eventually(lambda: rig.server.throttler.pending() == 0)
        own = rig.demand.own()[CART_NAME]
        assert (0, 0) == (own.pending, own.in_flight)
        assert own.last_request is not None
        assert leaves_at <= own.last_request


async def test_a_wake_is_told_before_anybody_has_heard_of_it():
    """An autoscaler that learns a moment later takes the workload back to zero."""
    async with serving() as (rig, envoy):
        told: list[HoldName] = []
        rig.demand.subscribe(told.append)
        await envoy.ask(request_headers(CLUSTER))
        rig.wakes.begun(CART_NAME)
        assert rig.demand.total(CART_NAME).waking
        assert [CART_NAME] == told
        rig.wakes.ended(CART_NAME, WakeOutcome.SUCCEEDED)
        assert not rig.demand.total(CART_NAME).waking
        assert [CART_NAME] * 2 == told


async def test_the_last_wake_is_part_of_what_is_known(eventually):
    """A person asks how long it took."""
    async with serving() as (rig, envoy):
        await envoy.ask(request_headers(CLUSTER))
        await eventually(lambda: rig.server.throttler.pending() == 1)
        rig.wakes.begun(CART_NAME)
        assert rig.demand.own()[CART_NAME].waking
        rig.wakes.ended(CART_NAME, WakeOutcome.FAILED)
        share = rig.demand.own()[CART_NAME]
        assert share.last_wake
        assert WakeOutcome.FAILED == share.last_wake.outcome
        assert not share.waking
