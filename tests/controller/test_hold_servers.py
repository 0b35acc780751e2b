from math import inf
from typing import Any

from crds.v1alpha1.traffichold import WakeOutcome
from feed.feed_pb2 import Wake
from feed.service import FeedService
from feed.tokens import Tokens
from kube.resource import ENDPOINT_SLICES, Key
from tests.controller.listening import CART, endpoints, listening, two
from tests.controller.objects import meta
from tests.feed.feeds import OLD, ScriptedFeed, nothing, report, serving


async def test_nothing_is_known_before_a_hold_server_was_heard(eventually):
    """That is not the same as no demand: nothing may be put to sleep."""
    async with listening() as rig:
        await eventually(lambda: rig.api.watches)
        assert rig.hold_servers.demand(CART) is None


async def test_a_hold_server_that_does_not_take_the_token_is_told_of(tmp_path, eventually):
    """Its silence has a cause that somebody can put right."""
    file = tmp_path / "token"
    file.write_text("a-token")
    feed = FeedService(dict, int, Tokens(file, "LAYBY_EXTPROC_FEED_TOKEN_FILE"))
    async with serving(feed) as port, listening(endpoints(port, "127.0.0.1")) as rig:
        assert "" == rig.hold_servers.refusal
        await eventually(lambda: "with no token" in rig.hold_servers.refusal)
        assert rig.hold_servers.demand(CART) is None


async def test_all_endpoints_of_the_service_are_hold_servers(eventually):
    """One that is not ready, or about to end, may still have requests parked."""
    not_ready = {"ready": False, "serving": True, "terminating": True}
    slices = [
        endpoints(1, "127.0.0.1", "127.0.0.2"),
        endpoints(2, "127.0.0.3", name="layby-2", conditions=not_ready),
        endpoints(3, "::1", name="layby-3"),
        endpoints(4, "127.0.0.1", name="layby-4", port_name="grpc"),
        {"metadata": meta("layby-5", "layby-system"), "endpoints": None},
        {**endpoints(6, name="layby-6"), "endpoints": [{"addresses": None}]},
    ]
    async with listening(*slices) as rig:
        # One that has no port for the feed is there none the less.
        expected = {"127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:2", "[::1]:3", "127.0.0.1:9003"}
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
        one.say(nothing())
        await eventually(lambda: rig.told == [CART, CART])
        one.say(nothing(age=OLD + 1))
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


async def test_the_last_wake_is_told_for_as_long_as_a_hold_server_remembers_it(eventually):
    """Later it may be about another TrafficHold that had the name; the status has it anyway."""
    async with two() as (rig, (one, _), _):
        one.say(
            report(last_wake=Wake(at=1_800_000_000, duration_seconds=7.5, outcome=Wake.SUCCEEDED))
        )
        await eventually(lambda: rig.demand().last_wake)
        told = rig.demand().last_wake
        assert (1_800_000_000, 7.5, WakeOutcome.SUCCEEDED) == (
            told.at.timestamp(),
            told.duration,
            told.outcome,
        )
        one.say(nothing())
        await eventually(lambda: rig.demand().last_wake is None)


async def test_requests_are_told_of_only_where_somebody_watches(eventually):
    """A busy workload would be looked at four times a second."""
    async with two() as (rig, (one, _), _):
        one.say(report(requests=1))
        await eventually(lambda: rig.demand().requests == 1)
        await eventually(lambda: CART in rig.told)
        rig.told.clear()
        one.say(report(requests=2))
        await eventually(lambda: rig.demand().requests == 2)
        assert [] == rig.told
        rig.hold_servers.watch(CART, on=True)
        one.say(report(requests=3))
        await eventually(lambda: CART in rig.told)
        rig.hold_servers.watch(CART, on=False)
        one.say(report(requests=4))
        await eventually(lambda: rig.demand().requests == 4)
        rig.told.clear()
        one.say(report(requests=5))
        await eventually(lambda: rig.demand().requests == 5)
        assert [] == rig.told


async def test_who_is_refused_is_told_of_at_once(eventually):
    """It is an Event, for somebody to act on."""
    async with two() as (rig, (one, _), _):
        one.say(report(pending=1))
        await eventually(lambda: CART in rig.told)
        rig.told.clear()
        one.say(report(pending=1, sheds=2))
        await eventually(lambda: CART in rig.told)
        assert 2 == rig.demand().sheds


async def test_that_no_envoy_reports_to_any_of_them_is_told(eventually):
    """Then quiet says nothing, and the condition says what to do."""
    feed = ScriptedFeed()
    feed.say(nothing(log_streams=0))
    async with serving(feed) as port, listening(endpoints(port, "127.0.0.1")) as rig:
        await eventually(lambda: rig.hold_servers.demand(CART))
        await eventually(lambda: not rig.demand().reported)
        assert not rig.is_complete
        feed.say(nothing(log_streams=1))
        await eventually(lambda: rig.is_complete)
        assert rig.demand().reported
        assert rig.demand().settled < OLD


async def test_a_lost_server_bounds_for_how_long_it_was_quiet(eventually):
    """It may have known of a request that it had not told of."""
    async with two() as (rig, (one, other), (_, second)):
        one.say(report(last_request_age_seconds=900))
        other.say(report(last_request_age_seconds=300, requests=2))
        await eventually(lambda: rig.demand().requests == 2)
        assert inf == rig.demand().unbroken
        rig.api.remove(ENDPOINT_SLICES, second)
        await eventually(lambda: rig.demand().unbroken < 60)
        assert 299 < rig.demand().quiet < 360, "what it had told is remembered"
        rig.hold_servers.forget(CART)
        assert 0 == rig.demand().requests
        assert 899 < rig.demand().quiet
