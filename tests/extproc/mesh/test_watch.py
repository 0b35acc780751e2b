import asyncio
from contextlib import asynccontextmanager

import pytest

from extproc.app import HoldServer
from extproc.core.hold import RELEASED, UNMANAGED
from extproc.core.outcome import Outcome
from extproc.core.probe import Request
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey
from extproc.mesh.wakes import Wakes
from extproc.mesh.watch import MeshWatch
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, SERVICES, TRAFFIC_HOLDS
from telemetry.app import Telemetry
from telemetry.cold_start import Mark
from telemetry.settings import TraceSettings
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.mesh.objects import REFUSED, endpoints, hold, service
from tests.kube.fake_api import CUT, FakeApi

pytestmark = pytest.mark.looptime

CART = WorkloadKey("shop", "cart", "cart:80")
CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
A_MOMENT = 0.01


class NotingServer(HoldServer):
    """A hold server that remembers how often it was told the set of workloads."""

    def __init__(self) -> None:
        super().__init__(FakeWaker(), lambda _: None, max_pending=100, settle=0.0)
        self.told: list[set[WorkloadKey]] = []

    def replace(self, workloads):
        """Take a new set, and note it."""
        self.told.append(set(workloads))
        super().replace(workloads)


class Rig:
    """A watch on an API server in memory, and a hold server that it tells."""

    def __init__(self, api: FakeApi, namespace: str = "") -> None:
        self.api = api
        self.server = NotingServer()
        self.wakes = Wakes()
        self.cold_starts = Telemetry(None, TraceSettings()).cold_starts
        self.watch = MeshWatch(
            api.kube,
            domain="cluster.local",
            wakes=self.wakes,
            cold_starts=self.cold_starts,
            namespace=namespace,
        )

    def ask(self):
        """Let a request come for the workload behind the cluster."""
        key = self.watch.find(CLUSTER)
        assert key
        return asyncio.create_task(
            self.server.throttler.hold(key, Request(), Chance()), name="request"
        )

    @asynccontextmanager
    async def running(self):
        """Run, and end in order."""
        task = asyncio.create_task(self.watch.run(self.server), name="watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.server.drain(0, hand_over=False)

    @property
    def told(self):
        """The sets of workloads told so far."""
        return self.server.told


@asynccontextmanager
async def watching(*holds, services=(), slices=(), **options):
    """A watch that has been told of some objects to begin with."""
    api = FakeApi()
    for resource, items in (
        (TRAFFIC_HOLDS, holds),
        (SERVICES, services),
        (ENDPOINT_SLICES, slices),
    ):
        for item in items:
            api.put(resource, item)
    rig = Rig(api, **options)
    async with rig.running():
        await rig.watch.synced()
        await asyncio.sleep(A_MOMENT)
        yield rig


async def test_a_hold_and_its_service_make_a_workload():
    """From then on its requests wait."""
    async with watching(hold(hold={"timeout": "90s"}), services=[service()]) as rig:
        assert CART == rig.watch.find(CLUSTER)
        assert {CART: Workload(CART, Hold(90.0))} == rig.watch.directory.workloads
        assert {CART} == rig.told[-1]
        assert 0 == rig.server.throttler.pending(CART)


async def test_ready_endpoints_let_requests_go():
    """The whole point."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", False))
        await asyncio.sleep(1)
        assert not request.done()
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True))
        await asyncio.sleep(1)
        assert RELEASED == request.result()


async def test_the_first_ready_endpoint_is_a_mark_of_the_cold_start():
    """What follows is Envoy's part, and the release's."""
    async with watching(hold(), services=[service()]) as rig:
        rig.cold_starts.begin(("shop", "cart"))
        start = rig.cold_starts.open(("shop", "cart"))
        assert start
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", False))
        await asyncio.sleep(1)
        assert not start.has(Mark.SEEN)
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True))
        await asyncio.sleep(1)
        assert start.has(Mark.SEEN)


async def test_endpoints_that_are_there_already_are_known():
    """A hold may be made for a workload that runs."""
    async with watching(hold(), services=[service()], slices=[endpoints("cart", True)]) as rig:
        assert Outcome.READY == (await rig.ask()).outcome


async def test_endpoints_that_go_are_noticed():
    """Whether their slice changes or goes with them."""
    async with watching(hold(), services=[service()], slices=[endpoints("cart", True)]) as rig:
        for change in (
            lambda: rig.api.put(ENDPOINT_SLICES, endpoints("cart")),
            lambda: rig.api.put(ENDPOINT_SLICES, endpoints("cart", True)),
            lambda: rig.api.remove(ENDPOINT_SLICES, endpoints("cart")),
        ):
            change()
            await asyncio.sleep(A_MOMENT)
        request = rig.ask()
        await asyncio.sleep(1)
        assert not request.done()
        request.cancel()


async def test_the_endpoints_of_several_slices_are_added_up():
    """There is one for each address family, and for each hundred endpoints."""
    second = endpoints("cart", True, name="cart-2")
    async with watching(hold(), services=[service()], slices=[endpoints("cart"), second]) as rig:
        assert Outcome.READY == (await rig.ask()).outcome


async def test_each_port_has_endpoints_of_its_own():
    """One container may be up before the other."""
    ports = [("http", 80), ("admin", 81)]
    admin = endpoints("cart", True, port="admin")
    async with watching(hold(), services=[service(ports=ports)], slices=[admin]) as rig:
        request = rig.ask()
        await asyncio.sleep(1)
        assert not request.done()
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True, name="cart-2"))
        await asyncio.sleep(A_MOMENT)
        assert RELEASED == request.result()


async def test_a_slice_that_moves_to_another_service_is_counted_there():
    """Labels can be changed."""
    services = [service(), service("till")]
    async with watching(
        hold(), services=services, slices=[endpoints("till", True, name="x")]
    ) as rig:
        request = rig.ask()
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True, name="x"))
        await asyncio.sleep(A_MOMENT)
        assert RELEASED == request.result()


async def test_a_service_that_comes_late_is_held_from_then_on():
    """The order of `kubectl apply -f` is nobody's promise."""
    async with watching(hold()) as rig:
        assert set() == rig.told[-1]
        assert rig.watch.find(CLUSTER) is None
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True))
        rig.api.put(SERVICES, service())
        await asyncio.sleep(A_MOMENT)
        assert {CART} == rig.told[-1]
        assert Outcome.READY == (await rig.ask()).outcome


async def test_nothing_is_told_before_all_is_listed():
    """A hold whose Service has yet to be listed would be taken for none: its requests would go
    to a workload that sleeps, instead of waiting for the list.
    """
    api = FakeApi()
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    rig = Rig(api)
    async with rig.running():
        synced = asyncio.create_task(rig.watch.synced(), name="synced")
        # The first list comes, the second does not.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        api.next_is("list", CUT, CUT)
        while not synced.done():
            assert [] == rig.told
            await asyncio.sleep(A_MOMENT)
        assert rig.told
        assert all(each == {CART} for each in rig.told)


async def test_that_there_is_nothing_at_all_is_told():
    """Requests wait to be told what is held; in an empty cluster no event ever comes."""
    async with watching() as rig:
        assert [set()] == rig.told


async def test_many_changes_at_once_are_looked_at_once():
    """A list is thousands of them."""
    async with watching() as rig:
        for n in range(50):
            rig.api.put(TRAFFIC_HOLDS, hold(f"a{n}", services=(f"a{n}",)))
            rig.api.put(SERVICES, service(f"a{n}"))
        rig.api.cut()
        await asyncio.sleep(10)
        assert 50 == len(rig.told[-1])
        assert len(rig.told) <= 5


async def test_a_hold_that_goes_is_let_go_of():
    """Its requests are Envoy's own again."""
    async with watching(hold(), services=[service()]) as rig:
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(A_MOMENT)
        assert set() == rig.told[-1]
        assert rig.watch.find(CLUSTER) is None
        told = len(rig.told)
        await asyncio.sleep(60)
        assert told == len(rig.told)


async def test_whoever_waits_for_a_hold_that_goes_gets_the_workload_all_the_same():
    """It is starting already, and to let the request go now is to lose it."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(10)
        assert not request.done()
        assert {CART} == rig.told[-1]
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True))
        await asyncio.sleep(A_MOMENT)
        assert RELEASED == request.result()
        await asyncio.sleep(2)
        assert set() == rig.told[-1]
        told = len(rig.told)
        await asyncio.sleep(60)
        assert told == len(rig.told), "nobody looks again"


async def test_what_happens_while_a_hold_lingers_makes_no_more_work():
    """Each event would otherwise leave a timer behind that goes on for as long as it lingers."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        for n in range(20):
            rig.api.put(SERVICES, service(f"other-{n}"))
            await asyncio.sleep(A_MOMENT)
        told = len(rig.told)
        await asyncio.sleep(10)
        assert 9 <= len(rig.told) - told <= 11
        request.cancel()


async def test_a_hold_that_is_refused_lets_its_requests_go():
    """They are not lingering: the hold is there, and says no."""
    async with watching(hold(status=REFUSED), services=[service()]) as rig:
        assert rig.watch.find(CLUSTER) is None
        verdict = await rig.server.throttler.hold(CART, Request(), Chance())
        assert UNMANAGED == verdict


async def test_a_hold_that_cannot_be_read_keeps_no_other_from_its_requests(caplog):
    """It may have been written with a later schema."""
    broken = {**hold("broken"), "spec": {"targetRef": {"name": 1}}}
    async with watching(broken, hold(), services=[service()]) as rig:
        assert {CART} == rig.told[-1]
        assert "left out: TrafficHold shop/broken" in caplog.text


async def test_only_one_namespace_is_watched_if_told_so():
    """Whose holds are another server's business."""
    async with watching(
        hold(),
        hold("book", services=("book",), namespace="library"),
        services=[service(), service("book", namespace="library")],
        namespace="library",
    ) as rig:
        assert {WorkloadKey("library", "book", "book:80")} == rig.told[-1]


async def test_little_is_kept_of_each_object():
    """There may be ten thousand Services in a cluster, and few are held."""
    async with watching(hold(), services=[service()], slices=[endpoints("cart", True)]) as rig:
        _, services, slices = rig.watch._informers
        (kept,) = services.store.snapshot().values()
        assert {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]} == kept["spec"]
        assert {} == kept["metadata"]["labels"]
        (kept,) = slices.store.snapshot().values()
        assert {SERVICE_LABEL: "cart"} == kept["metadata"]["labels"]
        assert [{"addresses", "conditions"}] == [set(each) for each in kept["endpoints"]]


async def test_before_it_runs_there_is_nothing_to_be_found():
    """And looking for it does no harm."""
    rig = Rig(FakeApi())
    assert rig.watch.find(CLUSTER) is None
    await rig.server.drain(0, hand_over=False)
