"""Conditions: the closed set of types, the reasons of each, and how a new one joins the others.

Owns what a reason means for its condition's status. Must not read a clock, nor know who judges.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from crds.model import Model, Timestamp
from crds.rule import MapBy

_LONGEST_MESSAGE = 32_768


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    ATTACHED = "Attached"
    SCALER_READY = "ScalerReady"
    READY = "Ready"


class Status(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Accepted(StrEnum):
    """Why a spec can, or cannot, be carried out."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    """The object breaks a rule of its schema, written before the rule was there."""
    TARGET_NOT_FOUND = "TargetNotFound"
    TARGET_NOT_SCALABLE = "TargetNotScalable"
    """Its kind has no scale subresource, or Layby may not use it."""
    TARGET_CONFLICT = "TargetConflict"
    """An older TrafficHold has the same target."""
    NO_SERVICES = "NoServices"
    """No Service selects the target's pods."""
    SERVICE_NOT_FOUND = "ServiceNotFound"
    SERVICE_UNSUPPORTED = "ServiceUnsupported"
    """Headless, ExternalName or without a selector: Envoy's endpoint count says nothing."""
    SERVICE_CONFLICT = "ServiceConflict"
    """An older TrafficHold holds the same Service."""


class Attached(StrEnum):
    """Why the proxies hold requests, or do not."""

    ATTACHED = "Attached"
    DRY_RUN = "DryRun"
    """They would, but spec.dryRun is set."""
    PENDING = "Pending"
    """Some proxies have not taken the filter yet."""
    NO_PROXIES = "NoProxies"
    PROXY_TOO_OLD = "ProxyTooOld"
    """Some proxies' Envoy would reject the gate, and are not given it."""
    HOLD_SERVER_HIDDEN = "HoldServerHidden"
    """A Sidecar resource hides the hold servers from some proxies."""
    NOT_READY_COUNTED = "NotReadyCounted"
    """Endpoints that are not ready reach Envoy, by a DestinationRule that is the user's own."""
    SUBSET_NOT_HELD = "SubsetNotHeld"
    """A subset leads to the workload alone, and other workloads behind its Service are up."""
    NO_REPORTS = "NoReports"
    """No Envoy has ever told the hold servers of a request, and what they have cannot be seen."""
    UNVERIFIED = "Unverified"
    """What the proxies have cannot be seen."""


class ScalerReady(StrEnum):
    """Why the workload can, or cannot, be scaled."""

    DIRECT = "Direct"
    KEDA = "KEDA"
    KEDA_ADOPTED = "KEDAAdopted"
    """By a ScaledObject that is the user's own, with Layby's trigger added."""
    NEVER_SLEEPS = "NeverSleeps"
    """scaling.minReplicas is not 0."""
    KEDA_NOT_INSTALLED = "KEDANotInstalled"
    KEDA_DISABLED = "KEDADisabled"
    """This controller is told to leave ScaledObjects alone."""
    SCALED_OBJECT_PENDING = "ScaledObjectPending"
    """It is not there yet, or KEDA has not looked at it yet."""
    SCALED_OBJECT_REJECTED = "ScaledObjectRejected"
    """By the API server, in most cases by KEDA's own validation."""
    SCALED_OBJECT_NOT_READY = "ScaledObjectNotReady"
    """KEDA says why."""
    PAUSED = "Paused"
    """By an annotation of the user's on the ScaledObject."""
    AUTOSCALER_CONFLICT = "AutoscalerConflict"
    """A ScaledObject or several have the same target, and Layby's trigger cannot do its work."""
    FORBIDDEN = "Forbidden"
    """Layby's role does not cover the scale subresource of this kind."""


class Ready(StrEnum):
    """Why all is well, or not."""

    READY = "Ready"
    DRY_RUN = "DryRun"
    NOT_ACCEPTED = "NotAccepted"
    NOT_ATTACHED = "NotAttached"
    SCALER_NOT_READY = "ScalerNotReady"
    WAKE_FAILED = "WakeFailed"
    """The last wake failed: the workload cannot start."""
    PARTIAL = "Partial"
    """Of a policy: some matched workloads are without their TrafficHold."""
    TERMINATING = "Terminating"


Reason: TypeAlias = Accepted | Attached | ScalerReady | Ready

_TYPES: dict[type[Reason], ConditionType] = {
    Accepted: ConditionType.ACCEPTED,
    Attached: ConditionType.ATTACHED,
    ScalerReady: ConditionType.SCALER_READY,
    Ready: ConditionType.READY,
}
_TRUE: tuple[Reason, ...] = (
    Accepted.ACCEPTED,
    Attached.ATTACHED,
    ScalerReady.DIRECT,
    ScalerReady.KEDA,
    ScalerReady.KEDA_ADOPTED,
    ScalerReady.NEVER_SLEEPS,
    Ready.READY,
)
_UNKNOWN: tuple[Reason, ...] = (
    Attached.DRY_RUN,
    Attached.NO_REPORTS,
    Attached.UNVERIFIED,
    Ready.DRY_RUN,
)


class Condition(Model):
    """One aspect of an object's state."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What it is about."""
    status: Status
    """Whether it holds."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, as one word."""
    message: Annotated[str, Field(max_length=_LONGEST_MESSAGE)] = ""
    """Why, and what to do about it."""
    last_transition_time: Timestamp
    """When the status became what it is."""
    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """The metadata.generation that it is about."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), MapBy("type")]


def judge(
    reason: Reason, message: str = "", *, now: datetime, generation: int | None = None
) -> Condition:
    """Make the condition that `reason` stands for; its type and status follow from the reason."""
    return Condition(
        type=_TYPES[type(reason)],
        status=status_of(reason),
        reason=reason,
        message=message[:_LONGEST_MESSAGE],
        # As it will be read back, so that two of them can be compared.
        last_transition_time=now.replace(microsecond=0),
        observed_generation=generation,
    )


def status_of(reason: Reason) -> Status:
    """Whether the condition holds for which this is the reason."""
    # Members of different enumerations may be equal as text, so the type has its say.
    if any(reason is known for known in _UNKNOWN):
        return Status.UNKNOWN
    return Status.TRUE if any(reason is known for known in _TRUE) else Status.FALSE


def merge(current: Iterable[Condition], *new: Condition) -> tuple[Condition, ...]:
    """Put `new` among the current conditions, in their places or at the end.

    One whose status has not changed keeps its last transition time, so that merging the same
    judgement again changes nothing. Conditions of other types are left alone.
    """
    merged = {condition.type: condition for condition in current}
    for condition in new:
        old = merged.get(condition.type)
        if old and old.status == condition.status:
            condition = condition.model_copy(  # noqa: PLW2901 - the same judgement, older
                update={"last_transition_time": old.last_transition_time}
            )
        merged[condition.type] = condition
    return tuple(merged.values())
