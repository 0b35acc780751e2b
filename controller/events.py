"""What is told of a TrafficHold as it happens: the Events, and their words.

Owns when something is worth telling: once, as it changes. Must not know how it is written down.
No I/O, no clock.
"""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from controller.conditions import OF_ONE
from controller.workload import TargetKey
from crds.condition import Condition, ConditionType, ScalerReady, Status
from crds.duration import render
from crds.v1alpha1.traffichold import LastWake, Phase, TrafficHoldStatus, WakeOutcome


class Event(NamedTuple):
    """Something that has happened."""

    reason: str
    note: str
    warning: bool = False


def slept(target: TargetKey, replicas: int, quiet: float) -> Event:
    """Tell that a workload was put to sleep."""
    return Event("Slept", f"{target}: {replicas} -> 0, no request for {render(int(quiet))}")


def roused(target: TargetKey, replicas: int, why: str) -> Event:
    """Tell that a workload is woken without a request."""
    return Event("Waking", f"{target}: 0 -> {replicas}, for {why}")


def adopted(name: str) -> Event:
    """Tell that a ScaledObject of a user's was changed."""
    note = f"ScaledObject {name}: Layby's trigger added; what it said before is noted on it"
    return Event("ScaledObjectAdopted", note)


def released(name: str) -> Event:
    """Tell that a ScaledObject of a user's was put back."""
    return Event("ScaledObjectReleased", f"ScaledObject {name} is as it was")


def shed(requests: int, most: int) -> Iterator[Event]:
    """Tell that requests were refused, of all those at once that nobody has been told of."""
    if requests:
        note = (
            f"{requests} requests refused: too many waited. hold.maxPending is {most}, and a hold "
            "server has a bound of its own for all of them"
        )
        yield Event("Shed", note, warning=True)


def changes(current: TrafficHoldStatus, wanted: TrafficHoldStatus) -> Iterator[Event]:
    """Tell what differs between two statuses and matters to a person."""
    before = {condition.type: condition for condition in current.conditions}
    after = {condition.type: condition for condition in wanted.conditions}
    for kind in (ConditionType.ACCEPTED, ConditionType.ATTACHED, ConditionType.SCALER_READY):
        yield from _turn(before.get(kind), after.get(kind))
    if wanted.phase is Phase.WAKING and current.phase is Phase.ZERO:
        yield Event("Waking", "a request waits for it" if wanted.pending else "it is scaled up")
    if wanted.phase is Phase.ZERO and current.phase in {Phase.WARM, Phase.IDLE}:
        yield from _slept_by_others(after.get(ConditionType.SCALER_READY))
    if wanted.last_wake and wanted.last_wake != current.last_wake:
        yield _woke(wanted.last_wake)
    slept_before = current.dry_run.sleeps if current.dry_run else 0
    if wanted.dry_run and wanted.dry_run.sleeps > slept_before:
        yield Event("WouldSleep", "it would sleep now, if spec.dryRun were not set")


def _slept_by_others(scaler: Condition | None) -> Iterator[Event]:
    """Tell that a workload is at zero where Layby puts none to sleep.

    Where it does, it tells so as it does it, even if the status can only be written later.
    """
    if scaler is None or scaler.reason == ScalerReady.DIRECT:
        return
    is_keda_s = scaler.reason in {ScalerReady.KEDA, ScalerReady.KEDA_ADOPTED}
    whose = "by KEDA, or by hand" if is_keda_s else "and not by Layby"
    yield Event("Slept", f"scaled to 0, {whose}")


def _turn(before: Condition | None, after: Condition | None) -> Iterator[Event]:
    if before is not None and before.reason == ScalerReady.SCALED_OBJECT_PENDING:
        before = None
    if after is None or _is_no_news(after) or (before is not None and _is_no_news(before)):
        return
    was_false = before is not None and before.status is Status.FALSE
    if after.status is Status.FALSE:
        if not was_false or (before and before.reason != after.reason):
            yield Event(after.reason, after.message, warning=True)
    elif was_false:
        yield Event(after.reason, after.message)


def _is_no_news(condition: Condition) -> bool:
    """Whether it is about the mesh, so that every TrafficHold would tell the same, or wanted.

    Or only the time that things take.
    """
    return condition.reason == ScalerReady.SCALED_OBJECT_PENDING or (
        condition.type == ConditionType.ATTACHED
        and condition.status is Status.FALSE
        and condition.reason not in OF_ONE
    )


def _woke(wake: LastWake) -> Event:
    took = render(wake.duration)
    match wake.outcome:
        case WakeOutcome.SUCCEEDED:
            return Event("Woke", f"ready {took} after the first request")
        case WakeOutcome.FAILED:
            why = wake.reason or "it cannot start"
            return Event("WakeFailed", f"given up after {took}: {why}", warning=True)
        case WakeOutcome.TIMED_OUT:
            note = f"not ready after {took}, when the last request stopped waiting"
            return Event("WakeFailed", note, warning=True)
        case _:
            assert_never(wake.outcome)
