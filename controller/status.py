"""The status of a TrafficHold, and whether it is worth a write.

Owns the phase, and how far a status may lag behind. Must not know how it is written. No I/O, no
clock: `now` is an argument.
"""

from datetime import datetime, timedelta

from controller.conditions import OF_ONE, Judgements
from controller.dry_run import LOOK_SECONDS, Rehearsal
from controller.facts import Facts, Missing
from crds.condition import Accepted, Condition, ConditionType, Ready, judge, merge
from crds.v1alpha1.target import ServiceRef
from crds.v1alpha1.traffichold import Phase, TrafficHoldStatus

REQUEST_LAG = timedelta(minutes=15)
"""How far lastRequestTime may lag while nothing else changes. It is exact when a phase begins."""
PENDING_SECONDS = 2.0
"""How long pending may lag while nothing else changes."""


def phase(replicas: int, ready: int, pending: int, *, idle: bool) -> Phase:
    """Tell what a workload is doing.

    Args:
        replicas: how many are asked for.
        ready: how many endpoints are ready.
        pending: how many requests are parked.
        idle: whether nobody has needed it for long enough.
    """
    if replicas == 0:
        # Asked for, though not scaled yet. Endpoints that are ready still belong to pods that end.
        return Phase.WAKING if pending else Phase.ZERO
    if not ready:
        return Phase.WAKING
    return Phase.IDLE if idle else Phase.WARM


def status(  # noqa: PLR0913 - all that a status tells
    facts: Facts,
    judged: Judgements,
    *,
    replicas: int,
    idle: bool,
    rehearsal: Rehearsal | None = None,
    now: datetime,
) -> TrafficHoldStatus:
    """Return the status that a TrafficHold should have, with so many replicas asked for."""
    hold, demand = facts.hold, facts.demand
    generation = hold.metadata.generation
    current = hold.status
    is_held = not judged.accepted.is_false and not isinstance(facts.target, Missing)
    pending = demand.pending if demand else 0
    # While the target is missing, hold servers go on holding what led to it.
    is_gone = judged.accepted.reason is Accepted.TARGET_NOT_FOUND
    found = tuple(ServiceRef(name=service.name) for service in facts.leading.services)
    services = current.services if is_gone else found if is_held else None
    return TrafficHoldStatus(
        observed_generation=generation,
        conditions=merge(
            current.conditions,
            *(judge(each.reason, each.message, now=now, generation=generation) for each in judged),
        ),
        phase=phase(replicas, facts.ready_endpoints, pending, idle=idle) if is_held else None,
        pending=demand.pending if demand else None,
        last_request_time=_last_request(facts, now),
        last_wake=facts.last_wake,
        services=services,
        dry_run=rehearsal.told() if rehearsal else current.dry_run if hold.spec.dry_run else None,
    )


def invalid(
    current: TrafficHoldStatus, message: str, *, generation: int, now: datetime
) -> TrafficHoldStatus:
    """Return the status of a TrafficHold that cannot be read, and the rest of which is unknown."""
    reasons = (Accepted.INVALID, Ready.NOT_ACCEPTED)
    told = [judge(reason, message, now=now, generation=generation) for reason in reasons]
    return TrafficHoldStatus(
        observed_generation=generation, conditions=merge(current.conditions, *told)
    )


def write_in(current: TrafficHoldStatus, wanted: TrafficHoldStatus, age: float) -> float | None:
    """Return the seconds after which a status is to be written; none if it may stay as it is.

    Args:
        current: the status that is there.
        wanted: the status as it should be.
        age: the seconds since it was last written.
    """
    if _substance(current) != _substance(wanted):
        return 0.0
    if (current.pending or 0) != (wanted.pending or 0):
        return max(0.0, PENDING_SECONDS - age)
    before, after = current.last_request_time, wanted.last_request_time
    if after and (before is None or after - before > REQUEST_LAG):
        return 0.0
    saved = (wanted.dry_run.saved if wanted.dry_run else 0.0) - (
        current.dry_run.saved if current.dry_run else 0.0
    )
    return 0.0 if saved >= LOOK_SECONDS else None


def _last_request(facts: Facts, now: datetime) -> datetime | None:
    if facts.demand is None or not facts.demand.requested:
        return facts.hold.status.last_request_time
    last = now - timedelta(seconds=facts.demand.quiet)
    return last.replace(microsecond=0)


def _substance(status: TrafficHoldStatus) -> object:
    """Leave out what may lag, and times that follow from the rest."""
    return (
        status.observed_generation,
        status.phase,
        status.services,
        status.last_wake,
        (dry := status.dry_run) and (dry.since, dry.asleep, dry.sleeps, dry.requests),
        {condition.type: _gist(condition) for condition in status.conditions},
    )


def _gist(condition: Condition) -> object:
    # How many proxies there are is told as of the last write: each one that comes or goes would
    # have all statuses written.
    is_of_all = condition.type == ConditionType.ATTACHED and condition.reason not in OF_ONE
    message = "" if is_of_all else condition.message
    return condition.status, condition.reason, message, condition.observed_generation
