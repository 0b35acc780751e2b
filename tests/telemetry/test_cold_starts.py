"""Cold starts, counted, traced and told of."""

import logging

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from extproc.core.outcome import Outcome
from telemetry.catalogue.holding import COLD_START, COLD_START_STAGE, WAKES
from telemetry.cold_start import Mark, Winner
from tests.telemetry.scene import EPOCH, HOLD, SAMPLED, events

MARKS = ((0.3, Mark.SCHEDULED), (2.0, Mark.STARTED), (4.0, Mark.READY), (4.1, Mark.SEEN))


@pytest.fixture(autouse=True)
def heard(caplog):
    caplog.set_level(logging.INFO, logger="telemetry")


def wake(scene, *, winner=Winner.LAYBY):
    """A request comes, and the workload starts for it as far as its endpoint."""
    ticket = scene.park(SAMPLED)
    scene.starts.begin(HOLD)
    scene.now = 0.1
    scene.starts.scaled(HOLD, winner, 2)
    for at, mark in MARKS:
        scene.now = at
        scene.starts.mark(HOLD, mark)
    return ticket


def test_the_first_release_ends_it(scene):
    ticket, late = wake(scene), scene.park()
    scene.now = 4.3
    scene.end(ticket)
    scene.now = 5.0
    scene.end(late)
    assert scene.counts(COLD_START) == {(*HOLD, "ready"): 1}
    assert scene.starts.open(HOLD) is None


def test_its_trace_has_a_span_for_each_stage(scene):
    ticket = wake(scene)
    scene.now = 4.3
    scene.end(ticket)
    spans = scene.finished()
    (whole,) = spans["layby.cold_start"]
    told = {
        name.removeprefix("layby.cold_start."): (
            round(span.start_time / 1e9 - EPOCH, 6),
            round(span.end_time / 1e9 - EPOCH, 6),
        )
        for name, (span,) in spans.items()
        if span.parent and span.parent.span_id == whole.context.span_id
    }
    assert told == {
        "scale": (0, 0.1),
        "schedule": (0.1, 0.3),
        "start": (0.3, 2.0),
        "readiness": (2.0, 4.0),
        "eds": (4.0, 4.3),
    }
    assert ["endpoint seen"] == [name for name, _ in events(whole)]
    assert dict(whole.attributes) == {
        "k8s.namespace.name": "shop",
        "layby.hold.name": "cart",
        "layby.outcome": "ready",
        "layby.winner": "layby",
        "layby.replicas": 2,
    }


def test_the_stages_are_counted(scene):
    ticket = wake(scene)
    scene.end(ticket)
    stages = ("scale", "schedule", "start", "readiness", "eds")
    assert {(*HOLD, stage): 1 for stage in stages} == scene.counts(COLD_START_STAGE)


@pytest.mark.parametrize("winner", list(Winner))
def test_a_wake_is_counted_once_by_who_won(scene, winner):
    wake(scene, winner=winner)
    scene.starts.scaled(HOLD, Winner.PEER, 5)
    assert {w: scene.value(WAKES, *HOLD, w) for w in Winner} == {
        w: float(w is winner) for w in Winner
    }


def test_it_has_a_trace_even_if_hardly_any_request_has(scenes):
    """Links of the few that are kept must lead somewhere, and starts are rare."""
    scene = scenes(sampler=ALWAYS_OFF)
    scene.end(wake(scene))
    assert scene.finished().keys() == {
        "layby.cold_start",
        *(f"layby.cold_start.{s}" for s in ("scale", "schedule", "start", "readiness", "eds")),
    }


def test_its_exemplar_leads_to_its_trace(scene):
    scene.end(wake(scene))
    (reading,) = [each for each in scene.store.read() if each.metric is COLD_START]
    (exemplar,) = reading.distributions[*HOLD, "ready"].exemplars.values()
    context = scene.only("layby.cold_start").context
    assert (context.trace_id, context.span_id) == (exemplar.trace_id, exemplar.span_id)


def test_there_is_one_line_for_each_wake_with_its_trace(scene, caplog):
    tickets = [wake(scene), *(scene.park() for _ in range(100))]
    for ticket in tickets:
        scene.end(ticket)
    (record,) = caplog.records
    assert record.getMessage() == (
        "shop/cart woke in 4.10 s; scaled by layby"
        " (scale 0.10, schedule 0.20, start 1.70, readiness 2.00, eds 0.10)"
    )
    assert f"{scene.only('layby.cold_start').context.trace_id:032x}" == record.trace_id


def test_the_line_of_a_process_says_nothing_of_scaling(scene, caplog):
    """In local mode there are no replicas; that it was asked for is counted all the same."""
    ticket = scene.park()
    scene.starts.begin(HOLD, is_process=True)
    assert 0 == scene.value(WAKES, *HOLD, Winner.LAYBY), "it may be up, and about to stop"
    scene.starts.launched(HOLD)
    for at, mark in MARKS[1:]:
        scene.now = at
        scene.starts.mark(HOLD, mark)
    scene.end(ticket)
    assert ["shop/cart woke in 4.10 s (start 2.00, readiness 2.00, eds 0.10)"] == caplog.messages
    assert 1 == scene.value(WAKES, *HOLD, Winner.LAYBY)


def test_without_traces_the_line_has_no_ids(scenes, caplog):
    scene = scenes(keep=None)
    scene.end(wake(scene))
    (record,) = caplog.records
    assert not hasattr(record, "trace_id")


def test_a_failure_ends_it_with_its_reason(scene, caplog):
    scene.park()
    scene.starts.begin(HOLD)
    scene.now = 2.0
    scene.starts.failed(HOLD, "web: ImagePullBackOff")
    span = scene.only("layby.cold_start")
    assert (StatusCode.ERROR, "web: ImagePullBackOff") == (
        span.status.status_code,
        span.status.description,
    )
    assert scene.counts(COLD_START) == {(*HOLD, "failed"): 1}
    assert scene.counts(COLD_START_STAGE) == {}
    assert ["shop/cart cannot start: web: ImagePullBackOff"] == caplog.messages


def test_one_that_everybody_leaves_is_abandoned(scene, caplog):
    ticket = scene.park()
    scene.starts.begin(HOLD)
    scene.now = 3.0
    scene.end(ticket, Outcome.ABANDONED)
    assert scene.starts.open(HOLD), "somebody may come yet, while the start is seen to"
    scene.starts.left(HOLD)
    assert scene.counts(COLD_START) == {(*HOLD, "abandoned"): 1}
    assert ["shop/cart: nobody waits after 3.00 s; scaled by nobody ()"] == caplog.messages


def test_one_that_is_up_waits_for_its_release(scene):
    """Whoever sees to the start is done as soon as the endpoint is there."""
    ticket = wake(scene)
    scene.starts.left(HOLD)
    assert scene.starts.open(HOLD)
    scene.now = 4.4
    scene.end(ticket)
    assert scene.counts(COLD_START) == {(*HOLD, "ready"): 1}


def test_one_that_is_up_ends_if_the_last_one_leaves_before_the_release(scene):
    ticket = wake(scene)
    scene.end(ticket, Outcome.ABANDONED)
    assert scene.counts(COLD_START) == {(*HOLD, "ready"): 1}


def test_one_that_is_up_goes_on_while_somebody_waits(scene):
    ticket, _ = wake(scene), scene.park()
    scene.end(ticket, Outcome.ABANDONED)
    assert scene.starts.open(HOLD)


def test_one_that_comes_up_when_everybody_has_left_ends_well(scene):
    ticket = scene.park()
    scene.starts.begin(HOLD)
    scene.end(ticket, Outcome.ABANDONED)
    scene.starts.mark(HOLD, Mark.SEEN)
    scene.starts.left(HOLD)
    assert scene.counts(COLD_START) == {(*HOLD, "ready"): 1}


def test_it_begins_once_for_all_who_wait(scene):
    scene.starts.begin(HOLD)
    first = scene.starts.open(HOLD)
    scene.starts.begin(HOLD)
    assert first is scene.starts.open(HOLD)


@pytest.mark.parametrize(
    "tell",
    [
        lambda starts: starts.mark(HOLD, Mark.READY),
        lambda starts: starts.scaled(HOLD, Winner.LAYBY, 1),
        lambda starts: starts.failed(HOLD, "x"),
        lambda starts: starts.released(HOLD, 1.0),
        lambda starts: starts.deserted(HOLD, 1.0),
        lambda starts: starts.left(HOLD),
    ],
)
def test_what_happens_to_a_workload_that_is_up_is_no_cold_start(scene, tell):
    tell(scene.starts)
    assert scene.counts(COLD_START) == {}


def test_workloads_that_are_gone_are_forgotten(scene):
    """A cluster in which previews come and go must not fill the memory."""
    scene.park()
    scene.starts.begin(HOLD)
    scene.starts.retain({("shop", "other")})
    assert scene.only("layby.cold_start").attributes["layby.outcome"] == "abandoned"
    assert (not scene.starts._open, not scene.starts._latest) == (True, True)
    assert repr(scene.starts) == "<ColdStarts 0 open>"


def test_one_that_is_up_but_not_released_is_forgotten_too(scene):
    wake(scene)
    scene.starts.retain(set())
    assert not scene.starts._open


def test_those_that_are_there_stay(scene):
    scene.starts.begin(HOLD)
    scene.starts.retain({HOLD})
    assert scene.starts.open(HOLD)
