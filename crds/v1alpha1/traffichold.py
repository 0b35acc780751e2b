"""TrafficHold: that one workload may sleep, how, and how it is doing.

Owns spec and status. Must not know who carries the one out and reports the other.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from crds.condition import Conditions
from crds.duration import Between
from crds.model import Model, Timestamp
from crds.resource import Resource
from crds.rule import MapBy, not_empty
from crds.v1alpha1.behaviour import Behaviour
from crds.v1alpha1.dry_run import DryRun
from crds.v1alpha1.target import ServiceRef, TargetRef


class Phase(StrEnum):
    """What the workload is doing."""

    WARM = "Warm"
    """It runs, and has had requests lately."""
    IDLE = "Idle"
    """It runs, has had none for idle.after, and is about to sleep."""
    ZERO = "Zero"
    """It sleeps; the next request wakes it."""
    WAKING = "Waking"
    """It is starting; requests for it are parked."""


class WakeOutcome(StrEnum):
    """How a wake ended."""

    SUCCEEDED = "Succeeded"
    """The workload became ready."""
    FAILED = "Failed"
    """It cannot start; the condition Ready says why."""
    TIMED_OUT = "TimedOut"
    """It was not ready before the last request stopped waiting."""


class LastWake(Model):
    """The latest wake that has ended."""

    at: Timestamp
    """When the request came that woke the workload."""
    duration: Annotated[float, Between("0s", "9999h")]
    """The time from that request until the workload was ready, or was given up."""
    outcome: WakeOutcome
    """How it ended."""
    reason: Annotated[str, Field(max_length=1024)] | None = None
    """Why it failed."""


_SOME_SERVICE = not_empty(
    "leave services out to take those that select the workload's pods, or list at least one"
)
Services = Annotated[tuple[ServiceRef, ...], Field(max_length=32), MapBy("name")]


class TrafficHoldSpec(Behaviour):
    """Which workload may sleep, and how its requests are held."""

    target_ref: TargetRef
    services: Annotated[Services, _SOME_SERVICE] | None = None
    """The Services whose requests are held. Leave it out to take all that select the workload's
    pods; list them to hold fewer."""


class TrafficHoldStatus(Model):
    """How the workload and the hold on it are doing."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """The metadata.generation that this status is about."""
    conditions: Conditions = ()
    """Accepted: the spec can be carried out. Attached: the proxies hold requests. ScalerReady:
    the workload can be scaled. Ready: all of these."""
    phase: Phase | None = None
    """Warm: it runs and has had requests lately. Idle: it runs, and is about to sleep. Zero: it
    sleeps. Waking: it is starting, and requests are parked."""
    pending: Annotated[int, Field(ge=0)] | None = None
    """How many requests are parked now, on all hold servers."""
    last_request_time: Timestamp | None = None
    """About when the last request came; written now and then, not for each request."""
    last_wake: LastWake | None = None
    services: Services | None = None
    """The Services whose requests are held, as listed or found."""
    dry_run: DryRun | None = None


class TrafficHold(Resource):
    """A TrafficHold lets one workload sleep at zero replicas without losing a request.

    Requests that come meanwhile are parked in Envoy, wake the workload, and go on when it is ready.
    The smallest one names a Deployment (spec.targetRef.name); all else has defaults.
    """

    api_version: Literal["layby.dev/v1alpha1"] = "layby.dev/v1alpha1"
    kind: Literal["TrafficHold"] = "TrafficHold"
    spec: TrafficHoldSpec
    status: TrafficHoldStatus = TrafficHoldStatus()
