"""What becomes of held requests, traced."""

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.workload import WorkloadKey
from telemetry.cold_start import Mark, Winner
from telemetry.traceparent import NO_TRACE, TraceHeaders
from tests.telemetry.scene import (
    EPOCH,
    HOLD,
    SAMPLED,
    SPAN_ID,
    TRACE_ID,
    UNSAMPLED,
    events,
)


def test_a_held_request_is_a_child_of_its_callers_span(scene):
    scene.now = 3.0
    ticket = scene.park(SAMPLED, position=4)
    scene.now = 9.5
    scene.end(ticket, trace=SAMPLED)
    span = scene.only("layby.hold")
    assert (int(TRACE_ID, 16), int(SPAN_ID, 16)) == (span.context.trace_id, span.parent.span_id)
    assert span.context.trace_state["vendor"] == "1"
    assert SpanKind.SERVER is span.kind
    assert (EPOCH + 3.0) * 1e9 == span.start_time
    assert (EPOCH + 9.5) * 1e9 == span.end_time
    assert StatusCode.UNSET is span.status.status_code
    assert dict(span.attributes) == {
        "k8s.namespace.name": "shop",
        "layby.hold.name": "cart",
        "layby.port": "http",
        "layby.outcome": "released",
        "layby.chance": 1,
        "layby.position": 4,
    }


def test_the_events_tell_why_it_waited(scene):
    """One click answers: why did this request wait for 7 seconds?"""
    ticket = scene.park(SAMPLED)
    scene.starts.begin(HOLD)
    scene.now = 0.1
    scene.starts.scaled(HOLD, Winner.LAYBY, 1)
    for at, mark in ((1, Mark.SCHEDULED), (4, Mark.STARTED), (6, Mark.READY), (6.5, Mark.SEEN)):
        scene.now = at
        scene.starts.mark(HOLD, mark)
    scene.now = 7.0
    scene.end(ticket, trace=SAMPLED)
    told = [(name, round(at, 6)) for name, at in events(scene.only("layby.hold"))]
    assert told == [
        ("parked", 0),
        ("wake requested", 0),
        ("replicas patched", 0.1),
        ("pod scheduled", 1),
        ("container started", 4),
        ("ready", 6),
        ("endpoint seen", 6.5),
        ("released", 7),
    ]


def test_events_from_before_it_came_are_left_to_the_cold_start(scene):
    scene.starts.begin(HOLD)
    scene.now = 1.0
    scene.starts.scaled(HOLD, Winner.LAYBY, 1)
    scene.now = 2.0
    ticket = scene.park(SAMPLED)
    scene.now = 3.0
    scene.end(ticket, trace=SAMPLED)
    assert ["parked", "released"] == [name for name, _ in events(scene.only("layby.hold"))]


def test_every_hold_links_to_the_cold_start_that_it_waited_for(scene):
    """Also those that are let go after the first one, which ends the cold start."""
    tickets = [scene.park(SAMPLED) for _ in range(3)]
    scene.starts.begin(HOLD)
    for ticket in tickets:
        scene.now += 1.0
        scene.end(ticket, trace=SAMPLED)
    start = scene.only("layby.cold_start").context
    linked = [span.links[0].context for span in scene.finished()["layby.hold"]]
    assert [(start.trace_id, start.span_id)] * 3 == [(o.trace_id, o.span_id) for o in linked]
    assert start.trace_id != int(TRACE_ID, 16)


def test_a_request_that_came_after_the_cold_start_does_not_link_to_it(scene):
    scene.starts.begin(HOLD)
    scene.end(scene.park())
    scene.now = 1.0
    ticket = scene.park(SAMPLED)
    scene.end(ticket, trace=SAMPLED)
    (span,) = [each for each in scene.finished()["layby.hold"] if each.parent]
    assert span.links == ()


def test_a_workload_with_one_port_needs_none(scene):
    key = WorkloadKey(*HOLD)
    scene.holds.ended(key, Verdict(Outcome.HOPELESS), 0.0, None, SAMPLED)
    assert "layby.port" not in scene.only("layby.hold").attributes


def test_a_return_is_an_event(scene):
    ticket = scene.park(SAMPLED, chance=2, early=True)
    scene.end(ticket, trace=SAMPLED)
    span = scene.only("layby.hold")
    assert ("returned early", 0) == events(span)[0]
    assert span.attributes["layby.chance"] == 2


def test_a_refusal_is_an_error_in_words(scene):
    ticket = scene.park(SAMPLED)
    scene.end(ticket, Outcome.EXPIRED, Cause.TIMEOUT, "too long", SAMPLED)
    span = scene.only("layby.hold")
    assert (StatusCode.ERROR, "too long") == (span.status.status_code, span.status.description)
    assert span.attributes["error.type"] == "timeout"


@pytest.mark.parametrize("outcome", [Outcome.ABANDONED, Outcome.DRAINED, Outcome.UNMANAGED])
def test_what_the_hold_server_is_not_to_blame_for_is_no_error(scene, outcome):
    ticket = scene.park(SAMPLED)
    scene.end(ticket, outcome, trace=SAMPLED)
    assert StatusCode.UNSET is scene.only("layby.hold").status.status_code


def test_refusals_at_once_have_a_span_too(scene):
    scene.refuse(Outcome.SHED, Cause.QUEUE_FULL, SAMPLED)
    span = scene.only("layby.hold")
    assert "layby.position" not in span.attributes
    assert span.attributes["error.type"] == "queue-full"


@pytest.mark.parametrize("outcome", [Outcome.READY, Outcome.PROBED, Outcome.UNMANAGED])
def test_what_was_never_held_has_no_span(scene, outcome):
    scene.refuse(outcome, trace=SAMPLED)
    assert not scene.finished()


def test_what_its_caller_does_not_keep_is_not_kept(scene):
    ticket = scene.park(UNSAMPLED)
    assert not scene.holds._traced, "nothing is remembered of it either"
    scene.end(ticket, trace=UNSAMPLED)
    scene.refuse(Outcome.SHED, Cause.QUEUE_FULL, UNSAMPLED)
    assert not scene.finished()


@pytest.mark.parametrize("headers", [NO_TRACE, TraceHeaders("not a traceparent")])
def test_without_a_caller_the_root_sampler_decides(scenes, headers):
    on, off = scenes(), scenes(sampler=ParentBased(ALWAYS_OFF))
    for scene in (on, off):
        scene.end(scene.park(headers), trace=headers)
    assert on.only("layby.hold").parent is None
    assert not off.finished()


def test_a_sampler_that_ignores_callers_is_asked_about_all(scenes):
    scene = scenes(sampler=ALWAYS_ON)
    scene.end(scene.park(UNSAMPLED), trace=UNSAMPLED)
    assert scene.only("layby.hold").parent


def test_slow_holds_are_kept_all_the_same(scenes):
    """Nobody knows when a request comes that it will be the slow one."""
    scene = scenes(keep=frozenset({"slow"}))
    quick, slow = scene.park(UNSAMPLED), scene.park(UNSAMPLED)
    scene.now = 9.9
    scene.end(quick, trace=UNSAMPLED)
    scene.now = 10.0
    scene.end(slow, trace=UNSAMPLED)
    span = scene.only("layby.hold")
    assert span.attributes["layby.notable"] == "slow"
    assert span.context.trace_flags.sampled
    assert int(TRACE_ID, 16) == span.context.trace_id


@pytest.mark.parametrize("outcome", [Outcome.SHED, Outcome.HOPELESS, Outcome.EXPIRED])
def test_refusals_are_kept_all_the_same(scenes, outcome):
    scene = scenes(keep=frozenset({"shed", "hopeless", "expired"}))
    scene.refuse(Outcome.DRAINED, trace=UNSAMPLED)
    if outcome is Outcome.EXPIRED:
        scene.end(scene.park(UNSAMPLED), outcome, trace=UNSAMPLED)
    else:
        scene.refuse(outcome, trace=UNSAMPLED)
    assert scene.only("layby.hold").attributes["layby.notable"] == outcome.value


def test_a_crowd_of_notable_requests_is_kept_in_part(scenes):
    """Ten thousand sheds in a second are one story, and cost 40 us each to tell."""
    scene = scenes(keep=frozenset({"shed"}), per_second=5)
    for _ in range(50):
        scene.refuse(Outcome.SHED, Cause.QUEUE_FULL, UNSAMPLED)
    assert len(scene.finished()["layby.hold"]) == 5
