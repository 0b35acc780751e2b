"""Whether a workload is put to sleep now, or why not and when to look again.

Owns the decision where Layby takes it, which is scaling mode Direct; elsewhere whether it is idle.
If in doubt the workload stays up. Must not know how it is carried out. No I/O, no clock.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from controller.demand import Demand

UNKNOWN_SECONDS = 30.0
"""When to ask for the demand again where there was none to be had: what becomes known of a workload
that nobody has asked for, nobody tells."""


class Reason(StrEnum):
    """Why a workload is put to sleep, or is not."""

    IDLE = "Idle"
    """Nothing is in the way."""
    ALREADY_ZERO = "AlreadyZero"
    NOT_ACCEPTED = "NotAccepted"
    """Nobody would hold its requests."""
    NOT_ATTACHED = "NotAttached"
    """Some proxies would not hold its requests, and answer 503."""
    MIN_REPLICAS = "MinReplicas"
    SCALED_BY_OTHERS = "ScaledByOthers"
    """Or nobody knows whether they do; they would take it back."""
    SCALE_REFUSED = "ScaleRefused"
    """It could not be scaled a moment ago."""
    DEMAND_UNKNOWN = "DemandUnknown"
    """Some hold server has not been heard from, or no Envoy by any: there may be requests."""
    BUSY = "Busy"
    """Requests are parked or open."""
    RECENT_REQUEST = "RecentRequest"
    JUST_STARTED = "JustStarted"
    """It has not been up for as long as it may be idle, whoever started it."""
    DRY_RUN = "DryRun"
    """It would be put to sleep."""
    LEFT_TO_KEDA = "LeftToKEDA"
    """KEDA puts it to sleep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that is asked for."""

    accepted: bool
    attached: bool
    """False only if it is known that some proxies do not hold; what cannot be seen is taken for
    well, for else no mesh that keeps its istiod to itself could have workloads asleep."""
    left_to_keda: bool
    """Whether KEDA puts it to sleep for want of requests."""
    scaled_by_others: bool
    scale_refused: bool
    min_replicas: int
    dry_run: bool
    replicas: int
    up_for: float
    """Seconds since the workload was last seen at zero, or since looking began."""
    idle_after: float
    demand: Demand | None


class Decision(NamedTuple):
    """Whether to sleep, why or why not, and the seconds until time alone may change that."""

    reason: Reason
    again_after: float | None = None

    @property
    def sleeps(self) -> bool:
        """Whether the workload is put to sleep now."""
        return self.reason is Reason.IDLE

    @property
    def is_idle(self) -> bool:
        """Whether nobody has needed the workload for long enough."""
        return self.reason in {Reason.IDLE, Reason.DRY_RUN, Reason.LEFT_TO_KEDA}


def decide(situation: Situation) -> Decision:
    """Decide whether the workload sleeps."""
    if situation.replicas == 0:
        return Decision(Reason.ALREADY_ZERO)
    if (reason := _forbidden(situation)) is not None:
        return Decision(reason)
    if (needed := _needed(situation)) is not None:
        return needed
    if situation.left_to_keda:
        return Decision(Reason.LEFT_TO_KEDA)
    return Decision(Reason.DRY_RUN if situation.dry_run else Reason.IDLE)


def _needed(situation: Situation) -> Decision | None:
    demand, after = situation.demand, situation.idle_after
    if demand is None or not demand.complete:
        return Decision(Reason.DEMAND_UNKNOWN, UNKNOWN_SECONDS)
    if demand.pending or demand.in_flight:
        return Decision(Reason.BUSY)
    # What a hold server knew that was lost just before.
    if (quiet := min(demand.quiet, demand.unbroken)) < after:
        return Decision(Reason.RECENT_REQUEST, after - quiet)
    if situation.up_for < after:
        return Decision(Reason.JUST_STARTED, after - situation.up_for)
    return None


def _forbidden(situation: Situation) -> Reason | None:
    if not situation.accepted:
        return Reason.NOT_ACCEPTED
    if situation.min_replicas > 0:
        return Reason.MIN_REPLICAS
    if situation.scaled_by_others:
        return Reason.SCALED_BY_OTHERS
    if situation.scale_refused:
        return Reason.SCALE_REFUSED
    if not situation.attached:
        return Reason.NOT_ATTACHED
    return None
