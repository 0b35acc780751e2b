"""What is told of a TrafficHold as it happens, and under which name."""

from dataclasses import replace

import pytest

from controller.events import Event, changes
from controller.plan import plan
from crds.condition import Accepted, Reason, ScalerReady, judge, merge
from crds.v1alpha1.traffichold import LastWake, Phase, TrafficHoldStatus, WakeOutcome
from tests.controller.objects import asleep, facts, read_hold
from tests.controller.plans import NOW, settled

ZERO = TrafficHoldStatus(phase=Phase.ZERO)


def ended(outcome, reason=None) -> TrafficHoldStatus:
    """The status after a wake."""
    wake = LastWake(at=NOW, duration=1.5, outcome=outcome, reason=reason)
    return TrafficHoldStatus(phase=Phase.WARM, last_wake=wake)


@pytest.mark.parametrize(("pending", "note"), [(2, "a request waits for it"), (0, "scaled up")])
def test_a_workload_that_begins_to_wake_is_told(pending, note):
    """Whoever watches it wants to see the beginning, and not only the end."""
    waking = TrafficHoldStatus(phase=Phase.WAKING, pending=pending)
    (event,) = changes(ZERO, waking)
    assert ("Waking", False) == (event.reason, event.warning)
    assert note in event.note
    assert [] == list(changes(waking, waking))
    # It is up, and a pod of it is not ready: that is none of ours.
    assert [] == list(changes(TrafficHoldStatus(phase=Phase.WARM), waking))


def scaled(phase: Phase | None, reason: Reason = ScalerReady.KEDA) -> TrafficHoldStatus:
    """The status of a workload that is scaled so."""
    return TrafficHoldStatus(phase=phase, conditions=merge((), judge(reason, now=NOW)))


@pytest.mark.parametrize("phase", [Phase.WARM, Phase.IDLE])
@pytest.mark.parametrize(
    ("reason", "note"),
    [
        (ScalerReady.KEDA, "by KEDA, or by hand"),
        (ScalerReady.KEDA_ADOPTED, "by KEDA, or by hand"),
        (ScalerReady.AUTOSCALER_CONFLICT, "and not by Layby"),
        (ScalerReady.SCALED_OBJECT_PENDING, "and not by Layby"),
    ],
)
def test_a_sleep_that_is_not_layby_s_is_told_once(phase, reason, note):
    """Who looks why a request had to wait finds no other trace of it."""
    before, after = scaled(phase, reason), scaled(Phase.ZERO, reason)
    assert [Event("Slept", f"scaled to 0, {note}")] == list(changes(before, after))
    assert [] == list(changes(after, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Nothing was known of it, be it new or not to be found for a moment.
        (scaled(None), scaled(Phase.ZERO)),
        (scaled(Phase.ZERO), scaled(None)),
        # The request that it was to start for has gone again.
        (scaled(Phase.WAKING), scaled(Phase.ZERO)),
        # It is not at zero.
        (scaled(Phase.WARM), scaled(Phase.IDLE)),
        (scaled(Phase.IDLE), scaled(Phase.WARM)),
        # Layby has told it as it did it, though it may not have come to write the status.
        (scaled(Phase.IDLE, ScalerReady.DIRECT), scaled(Phase.ZERO, ScalerReady.DIRECT)),
        (scaled(Phase.WARM, Accepted.ACCEPTED), scaled(Phase.ZERO, Accepted.ACCEPTED)),
    ],
)
def test_what_is_no_sleep_or_layby_s_own_is_not_told_as_another_s(before, after):
    """Each sleep has one Event, at a controller's start too."""
    assert [] == list(changes(before, after))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ended(WakeOutcome.SUCCEEDED), Event("Woke", "ready 1s500ms after the first request")),
        (
            ended(WakeOutcome.FAILED, "ImagePullBackOff: no such image"),
            Event(
                "WakeFailed",
                "given up after 1s500ms: ImagePullBackOff: no such image",
                warning=True,
            ),
        ),
        (
            ended(WakeOutcome.FAILED),
            Event("WakeFailed", "given up after 1s500ms: it cannot start", warning=True),
        ),
        (
            ended(WakeOutcome.TIMED_OUT),
            Event(
                "WakeFailed",
                "not ready after 1s500ms, when the last request stopped waiting",
                warning=True,
            ),
        ),
    ],
)
def test_the_end_of_a_wake_has_its_duration_or_its_reason(status, expected):
    """It is what a person is woken for."""
    assert [expected] == list(changes(ZERO, status))


def test_refused_requests_are_told_with_their_number():
    """Even if nothing else is to be told, for the status does not say it."""
    before = settled(facts(demand=asleep(pending=1), hold=read_hold(spec={"hold": {}})))
    made = plan(replace(before, sheds=12), NOW)
    assert made.status is None
    (event,) = made.events
    assert ("Shed", True) == (event.reason, event.warning)
    assert event.note.startswith("12 requests refused")
