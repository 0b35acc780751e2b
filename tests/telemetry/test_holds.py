"""What becomes of held requests, counted; and what clients may put into it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.core.hold import HoldQueue
from extproc.core.outcome import Cause, Outcome
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Workload
from extproc.throttler import Throttler
from telemetry.catalogue.holding import DURATION, PARKED, REQUESTS, RETURNS, SHEDS
from telemetry.traceparent import NO_TRACE, TraceHeaders
from tests.telemetry.scene import (
    EPOCH,
    HOLD,
    KEY,
    SAMPLED,
    UNSAMPLED,
    Scene,
)


async def test_the_throttler_tells_it():
    """The two packages know each other by shape alone, which the type checker compares."""
    scene, queue = Scene(), HoldQueue(max_pending=1, settle=Settle(first=0.0))
    throttler = Throttler(queue, NoWaker(), scene.holds)
    throttler.replace({KEY: Workload(KEY)})
    for _ in range(2):
        asyncio.get_running_loop().call_soon(throttler.drain)
        await throttler.hold(KEY, Request(), Chance(1, 3))
    scene.close()
    assert scene.value(REQUESTS, *HOLD, "drained") == 2
    assert scene.counts(DURATION) == {(*HOLD, "drained"): 1}


class NoWaker:
    """Starts nothing."""

    def wake(self, key):
        pass


def test_parked_counts_who_waits_now(scene):
    first, _ = scene.park(), scene.park()
    scene.end(first)
    assert scene.value(PARKED, *HOLD) == 1


def test_each_ending_is_counted_once_by_outcome(scene):
    scene.end(scene.park())
    scene.refuse(Outcome.READY)
    scene.refuse(Outcome.PROBED)
    told = {outcome: scene.value(REQUESTS, *HOLD, outcome.value) for outcome in Outcome}
    assert {o: n for o, n in told.items() if n} == {
        Outcome.RELEASED: 1,
        Outcome.READY: 1,
        Outcome.PROBED: 1,
    }


def test_only_parked_requests_have_a_duration(scene):
    """Those that are answered at once would drown the others in zeros."""
    ticket = scene.park()
    scene.now = 7.0
    scene.end(ticket)
    scene.refuse(Outcome.READY)
    assert scene.counts(DURATION) == {(*HOLD, "released"): 1}


@pytest.mark.parametrize("cause", [Cause.QUEUE_FULL, Cause.SERVER_FULL])
def test_sheds_are_counted_by_cause(scene, cause):
    scene.refuse(Outcome.SHED, cause)
    assert scene.value(SHEDS, *HOLD, cause.value) == 1


@pytest.mark.parametrize(("early", "cause"), [(True, "early"), (False, "moved")])
def test_returns_are_told_apart(scene, early, cause):
    """One was let go too early, the other's hold server died: the remedies differ."""
    scene.park(chance=2, early=early)
    assert scene.value(RETURNS, *HOLD, cause) == 1


def test_a_first_chance_is_no_return(scene):
    scene.park(early=True)
    assert scene.value(RETURNS, *HOLD, "early") == 0


def test_exemplars_lead_to_the_trace(scene):
    ticket = scene.park(SAMPLED)
    scene.now = 1.5
    scene.end(ticket, trace=SAMPLED)
    (reading,) = [each for each in scene.store.read() if each.metric is DURATION]
    (exemplar,) = reading.distributions[*HOLD, "released"].exemplars.values()
    span = scene.only("layby.hold").context
    assert (1.5, span.trace_id, span.span_id, EPOCH + 1.5) == exemplar


def test_without_traces_all_is_counted_just_the_same(scenes):
    scene = scenes(keep=None)
    scene.starts.begin(HOLD)
    scene.end(scene.park(SAMPLED), trace=SAMPLED)
    scene.refuse(Outcome.SHED, Cause.QUEUE_FULL, SAMPLED)
    assert scene.counts(DURATION) == {(*HOLD, "released"): 1}


def test_nothing_is_left_of_requests_that_are_over(scene):
    for trace in (SAMPLED, UNSAMPLED, NO_TRACE):
        scene.end(scene.park(trace), Outcome.ABANDONED, trace=trace)
    assert not scene.holds._traced


@given(st.text(max_size=120), st.text(max_size=300))
def test_no_header_that_a_client_sends_can_do_harm(parent, state):
    """The observer is called in the request's own task, and must not raise."""
    scene = Scene()
    headers = TraceHeaders(parent, state)
    try:
        scene.end(scene.park(headers), trace=headers)
        scene.refuse(Outcome.SHED, Cause.QUEUE_FULL, headers)
    finally:
        scene.close()
    assert scene.value(REQUESTS, *KEY.without_port, "released") == 1
