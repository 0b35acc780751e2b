import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from controller.hold_servers import FeedDemand
from crds.v1alpha1.traffichold import WakeOutcome
from feed.feed_pb2 import Report, Wake
from feed.hold_servers import HoldServers
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, Key
from tests.controller.objects import meta
from tests.feed.feeds import OLD, ScriptedFeed, report, serving
from tests.kube.fake_api import FakeApi

CART = Key("shop", "cart")
BEGAN = 1_800_000_000


def endpoints(port, *addresses, name="layby-1", port_name="grpc", conditions=None):
    """Make an EndpointSlice of the hold servers' Service."""
    return {
        "metadata": meta(name, "layby-system", labels={SERVICE_LABEL: "layby"}),
        "ports": [{"name": port_name, "port": port}],
        "endpoints": [
            {"addresses": [address], "conditions": conditions or {"ready": True}}
            for address in addresses
        ],
    }


class Rig:
    """What a controller knows of hold servers, and whom it told to look again."""

    def __init__(self, *slices) -> None:
        self.api = FakeApi()
        for item in slices:
            self.api.put(ENDPOINT_SLICES, item)
        self.told: list[Key] = []
        self.hold_servers = FeedDemand(HoldServers(self.api.kube, "layby-system", "layby"))
        self.hold_servers.subscribe(self.told.append)

    def demand(self, key=CART):
        """What is known of `cart`, which is something."""
        demand = self.hold_servers.demand(key)
        assert demand
        return demand

    @property
    def is_complete(self):
        """Whether all hold servers have been heard."""
        demand = self.hold_servers.demand(CART)
        return bool(demand and demand.complete)

    @property
    def heard_from(self):
        """The addresses that it listens to."""
        names = (task.get_name().split() for task in asyncio.all_tasks())
        return {name[1] for name in names if name[0] == "feed"}


@asynccontextmanager
async def listening(*slices):
    """Hold servers that are listened to, and in the end no longer."""
    rig = Rig(*slices)
    task = asyncio.create_task(rig.hold_servers.run(), name="run")
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert set() == rig.heard_from


@asynccontextmanager
async def two():
    """Two hold servers with nothing to tell, and a controller that has heard of both."""
    feeds = ScriptedFeed(), ScriptedFeed()
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(feed)) for feed in feeds]
        slices = [endpoints(port, "127.0.0.1", name=f"layby-{port}") for port in ports]
        rig = await stack.enter_async_context(listening(*slices))
        async with asyncio.timeout(5):
            while not rig.is_complete:
                await asyncio.sleep(0)
        yield rig, feeds, slices


async def test_nothing_is_known_before_a_hold_server_was_heard(eventually):
    """That is not the same as no demand: nothing may be put to sleep."""
    async with listening() as rig:
        await eventually(lambda: rig.api.watches)
        assert rig.hold_servers.demand(CART) is None


async def test_all_endpoints_of_the_service_are_hold_servers(eventually):
    """One that is not ready, or about to end, may still have requests parked."""
    not_ready = {"ready": False, "serving": True, "terminating": True}
    slices = [
        endpoints(1, "127.0.0.1", "127.0.0.2"),
        endpoints(2, "127.0.0.3", name="layby-2", conditions=not_ready),
        endpoints(3, "::1", name="layby-3"),
        endpoints(4, "127.0.0.1", name="layby-4", port_name="metrics"),
        {"metadata": meta("layby-5", "layby-system"), "endpoints": None},
        {**endpoints(6, name="layby-6"), "endpoints": [{"addresses": None}]},
    ]
    async with listening(*slices) as rig:
        expected = {"127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:2", "[::1]:3"}
        await eventually(lambda: rig.heard_from == expected and rig.api.watches)
        query = rig.api.asked[0].query
        assert "kubernetes.io/service-name=layby" == query["labelSelector"]
        rig.api.put(ENDPOINT_SLICES, endpoints(1, "127.0.0.2"))
        await eventually(lambda: rig.heard_from == expected - {"127.0.0.1:1"})


async def test_the_demand_is_the_sum_of_all_of_them(eventually):
    """Envoy chooses one of them for each request."""
    async with two() as (rig, (one, other), _):
        one.say(report(pending=2, in_flight=3, last_request_age_seconds=5))
        other.say(report(pending=1, in_flight=1, last_request_age_seconds=40))
        await eventually(lambda: rig.demand().pending == 3)
        demand = rig.demand()
        assert (3, 4, True, True) == (
            demand.pending,
            demand.in_flight,
            demand.complete,
            demand.requested,
        )
        assert 5 <= demand.quiet < 10


async def test_a_hold_without_any_request_is_quiet_for_as_long_as_somebody_counts():
    """What came before that nobody knows."""
    async with two() as (rig, _, _):
        demand = rig.demand()
        assert not demand.requested
        assert OLD <= demand.quiet < OLD + 5


async def test_a_hold_server_that_has_said_nothing_makes_it_incomplete(eventually):
    """It may be cut off from us, and not from Envoy."""
    async with two() as (rig, _, _):
        rig.api.put(ENDPOINT_SLICES, endpoints(1, "127.0.0.1", name="layby-3"))
        await eventually(lambda: not rig.is_complete)


async def test_what_begins_and_what_ends_is_told_once(eventually):
    """A controller looks at a hold a few times for each wake, and not for each request."""
    async with two() as (rig, (one, other), _):
        assert [] == rig.told
        steps: list[tuple[ScriptedFeed, dict[str, Any], int]] = [
            (one, {"pending": 1, "in_flight": 1}, 1),
            (one, {"pending": 5, "in_flight": 9}, 1),
            (other, {"pending": 1, "in_flight": 1}, 1),
            (one, {"in_flight": 9}, 1),
            (other, {"in_flight": 2}, 2),
            (one, {}, 2),
            (other, {}, 3),
        ]
        for feed, demand, expected in steps:
            said = report(last_request_age_seconds=7, **demand)
            heard = self_evident(rig)
            feed.say(said)
            await eventually(lambda heard=heard: self_evident(rig) != heard)
            assert [CART] * expected == rig.told


def self_evident(rig):
    """What changes with every report of the last test."""
    demand = rig.demand()
    return demand.pending, demand.in_flight, len(rig.told)


async def test_each_hold_is_told_when_the_account_becomes_incomplete_and_complete(eventually):
    """What is idle may sleep only in between."""
    async with two() as (rig, (one, other), _):
        one.say(report("cart", in_flight=1))
        other.say(report("book", in_flight=1))
        await eventually(lambda: len(rig.told) == 2)
        rig.told.clear()
        third = endpoints(1, "127.0.0.1", name="layby-3")
        rig.api.put(ENDPOINT_SLICES, third)
        await eventually(lambda: not rig.is_complete)
        assert {CART, Key("shop", "book")} == set(rig.told)
        rig.told.clear()
        rig.api.remove(ENDPOINT_SLICES, third)
        await eventually(lambda: rig.is_complete)
        assert {CART, Key("shop", "book")} == set(rig.told)


async def test_a_young_hold_server_makes_it_incomplete(eventually):
    """It was not there when some of the open requests began."""
    async with two() as (rig, (one, _), _):
        one.say(report(age=1.0, in_flight=1))
        await eventually(lambda: not rig.is_complete)
        assert [CART] == rig.told
        one.say(report(in_flight=1))
        await eventually(lambda: rig.is_complete)
        assert [CART, CART] == rig.told


async def test_a_hold_that_no_server_speaks_of_any_more_is_told_a_last_time(eventually):
    """Its last request has ended with the server that had it."""
    async with two() as (rig, (one, _), _):
        one.say(report(in_flight=1))
        await eventually(lambda: rig.told == [CART])
        one.say(Report(account_age_seconds=OLD))
        await eventually(lambda: rig.told == [CART, CART])
        one.say(Report(account_age_seconds=OLD + 1))
        one.say(report("book", in_flight=1))
        await eventually(lambda: Key("shop", "book") in rig.told)
        assert 2 == rig.told.count(CART)


async def test_it_looks_again_by_itself(eventually):
    """An account becomes old enough, or stale, without anybody's word."""
    feed = ScriptedFeed()
    async with serving(feed) as port, listening(endpoints(port, "127.0.0.1")) as rig:
        feed.say(report(age=19.5, in_flight=1))
        await eventually(lambda: rig.told == [CART])
        assert not rig.is_complete
        await eventually(lambda: len(rig.told) == 2)
        assert rig.is_complete


async def test_the_last_wake_is_told_once_whoever_saw_it_first(eventually):
    """Both hold servers had requests for it, and the second was asked a moment earlier."""
    async with two() as (rig, (one, other), _):
        wake = Wake(at=1_800_000_000, duration_seconds=7.5, outcome=Wake.SUCCEEDED)
        one.say(report(last_wake=wake))
        await eventually(lambda: rig.demand().last_wake)
        told = rig.demand().last_wake
        assert (7.5, WakeOutcome.SUCCEEDED) == (told.duration, told.outcome)
        assert 1_800_000_000 == told.at.timestamp()
        earlier = Wake(at=1_799_999_999, duration_seconds=8.5, outcome=Wake.SUCCEEDED)
        other.say(report(in_flight=1, last_wake=earlier))
        await eventually(lambda: rig.demand().in_flight == 1)
        assert told == rig.demand().last_wake
        later = Wake(at=1_800_000_100, duration_seconds=1, outcome=Wake.FAILED)
        one.say(report(last_wake=later))
        await eventually(lambda: rig.demand().last_wake.outcome is WakeOutcome.FAILED)


async def test_a_wake_that_was_given_up_and_became_ready_after_all_is_told_again(eventually):
    """The request at one hold server had less patience left than that at the other."""
    async with two() as (rig, (one, other), _):
        one.say(report(last_wake=Wake(at=BEGAN, duration_seconds=10, outcome=Wake.TIMED_OUT)))
        await eventually(lambda: rig.demand().last_wake)
        ready = Wake(at=BEGAN + 8, duration_seconds=7, outcome=Wake.SUCCEEDED)
        other.say(report(last_wake=ready))
        await eventually(lambda: rig.demand().last_wake.outcome is WakeOutcome.SUCCEEDED)
        told = rig.demand().last_wake
        assert (BEGAN, 15) == (told.at.timestamp(), told.duration)
        other.say(report(in_flight=1))
        await eventually(lambda: rig.demand().in_flight == 1)
        assert told == rig.demand().last_wake


async def test_a_hold_server_that_goes_leaves_no_earlier_wake_to_be_told(eventually):
    """With each rollout workloads would seem to have been woken, days ago."""
    async with two() as (rig, (one, other), (_, second)):
        one.say(report(last_wake=Wake(at=BEGAN, duration_seconds=3, outcome=Wake.SUCCEEDED)))
        latest = Wake(at=BEGAN + 99, duration_seconds=3, outcome=Wake.FAILED)
        other.say(report(pending=1, last_wake=latest))
        await eventually(lambda: rig.demand().pending == 1)
        await eventually(lambda: rig.demand().last_wake.outcome is WakeOutcome.FAILED)
        told = rig.demand().last_wake
        rig.api.remove(ENDPOINT_SLICES, second)
        await eventually(lambda: rig.demand().pending == 0)
        assert told == rig.demand().last_wake


async def test_what_no_hold_server_remembers_is_not_told(eventually):
    """It may have been about another TrafficHold that had the name; the status has it anyway."""
    async with two() as (rig, (one, _), _):
        one.say(report(last_wake=Wake(at=BEGAN, duration_seconds=3, outcome=Wake.SUCCEEDED)))
        await eventually(lambda: rig.demand().last_wake)
        one.say(Report(account_age_seconds=OLD))
        await eventually(lambda: rig.demand().last_wake is None)
