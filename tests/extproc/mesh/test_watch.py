import asyncio

import pytest

from extproc.core.hold import RELEASED
from extproc.core.outcome import Outcome
from extproc.core.workload import Hold, Workload, WorkloadKey
from kube.informer import REFUSED_SECONDS
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, SERVICES, TRAFFIC_HOLDS
from telemetry.cold_start import Mark
from tests.extproc.mesh.objects import REFUSED, endpoints, hold, service
from tests.extproc.mesh.watching import A_MOMENT, CART, CLUSTER, Rig, watching
from tests.kube.fake_api import CUT, FakeApi

pytestmark = pytest.mark.looptime


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


async def test_what_no_request_depends_on_is_not_looked_at():
    """A status is written for each wake of each hold, and thousands of requests may wait here."""
    async with watching(hold(), services=[service()]) as rig:
        told = len(rig.told)
        rig.api.put(TRAFFIC_HOLDS, hold(status={"phase": "Waking", "pending": 7}))
        rig.api.put(SERVICES, {**service(), "status": {"loadBalancer": {}}})
        await asyncio.sleep(1)
        assert told == len(rig.told)
        rig.api.put(TRAFFIC_HOLDS, hold(status=REFUSED))
        await asyncio.sleep(1)
        assert set() == rig.told[-1]


async def test_a_hold_that_cannot_be_read_keeps_no_other_from_its_requests(caplog):
    """It may have been written with a later schema."""
    broken = {**hold("broken"), "spec": {"targetRef": {"name": 1}}}
    async with watching(broken, hold(), services=[service()]) as rig:
        assert {CART} == rig.told[-1]
        assert "left out: TrafficHold shop/broken" in caplog.text


async def test_only_some_namespaces_are_watched_if_told_so():
    """Whose holds are another server's business."""
    holds, services = [], []
    for namespace in ("shop", "till", "library"):
        holds.append(hold("book", services=("book",), namespace=namespace))
        services.append(service("book", namespace=namespace))
    async with watching(*holds, services=services, namespaces={"library", "till"}) as rig:
        keys = {WorkloadKey(each, "book", "book:80") for each in ("library", "till")}
        assert keys == rig.told[-1]
        paths = {request.path for request in rig.api.asked}
        assert all("/namespaces/till/" in p or "/namespaces/library/" in p for p in paths)


async def test_nothing_is_concluded_until_each_namespace_is_listed(caplog):
    """A request for what is held there would otherwise be let go to no endpoint."""
    api = FakeApi()
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    api.forbidden = {"till"}
    rig = Rig(api, {"shop", "till"})
    async with rig.running():
        await asyncio.sleep(REFUSED_SECONDS - 1)
        assert [] == rig.told
        assert "namespaces/till/trafficholds: Forbidden" in caplog.text
        api.forbidden = set()
        await rig.watch.synced()
        assert {CART} == rig.told[-1]


async def test_a_namespace_that_is_gone_is_waited_for_no_longer():
    """The others would have no new hold server until somebody takes it out of the list."""
    api = FakeApi()
    there = {**hold()["metadata"], "namespace": "till"}
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    api.put(TRAFFIC_HOLDS, {**hold(), "metadata": there})
    api.put(SERVICES, {**service(), "metadata": {**service()["metadata"], "namespace": "till"}})
    api.forbidden = {"till"}
    rig = Rig(api, {"shop", "till"})
    async with rig.running():
        await asyncio.sleep(3 * REFUSED_SECONDS)
        assert {CART} == rig.told[-1]
        api.forbidden = set()
        await asyncio.sleep(2 * REFUSED_SECONDS)
        assert {CART, CART._replace(namespace="till")} == rig.told[-1]


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
