"""How a workload is held, woken, scaled and put to sleep: all of a spec but its target.

Owns each field's default and limits; the same for a TrafficHold and for a policy's template. Must
not know which workload it is for.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, WithJsonSchema

from crds.duration import Between
from crds.model import Model
from crds.rule import rule
from crds.v1alpha1.fallback import Fallback
from crds.v1alpha1.probe import Probe

Replicas = Annotated[int, Field(ge=1, le=10_000)]


class Hold(Model):
    """How requests are parked while the workload has no ready endpoint."""

    timeout: Annotated[float, Between("1ms", "59m")] = 60.0
    """The longest that one request waits; after that it is answered 504. Make it longer than the
    workload takes to start. Envoy gives up after an hour and lets the request go on, so the longest
    is a little less."""
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """How many requests may wait at once on one hold server; one more is answered 503 with
    Retry-After."""
    fallback: Fallback | None = None
    """What a client gets whose request is not served: too many wait already, it waited too long,
    the workload cannot start, or the only hold server ends. By default a 503 or 504 with a line
    that says why, and a Retry-After taken from the cold starts seen."""


class Wake(Model):
    """How the workload is woken by the first request."""

    replicas: Replicas = 1
    """How many replicas to start at once. More of them spare the first burst a second wait."""


class Idle(Model):
    """When the workload is put to sleep."""

    after: Annotated[float, Between("1s", "168h")] = 300.0
    """For how long no request may have come, been parked or been open, before the workload goes
    to sleep. Requests that a probe rule answers do not count. To never sleep, set
    scaling.minReplicas to 1."""


class ScalingMode(StrEnum):
    """Who takes the workload to zero and beyond one."""

    AUTO = "Auto"
    KEDA = "KEDA"
    DIRECT = "Direct"


class Target(Model):
    """The load that one replica should carry: exactly one of the two measures."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    concurrency: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests open at once per replica, parked ones among them."""
    requests_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests per second and replica, over the last minute. For less than one a second, use
    concurrency."""

    @rule(
        "has(self.concurrency) != has(self.requestsPerSecond)",
        "give exactly one of concurrency and requestsPerSecond",
    )
    def has_one_measure(self) -> bool:
        """Whether exactly one measure is given."""
        return (self.concurrency is None) != (self.requests_per_second is None)


class ScalingFallback(Model):
    """What KEDA does while it gets no answer from Layby's hold servers."""

    failure_threshold: Annotated[int, Field(ge=0, le=10_000)]
    """After how many failures in a row."""
    replicas: Annotated[int, Field(ge=1, le=10_000)]
    """How many replicas it keeps then. At least one: with none, requests that run would be cut."""


_HPA_BEHAVIOR = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Scaling(Model):
    """Between which bounds the workload is scaled, and by whom.

    Layby itself wakes it from zero in every mode.
    """

    mode: ScalingMode = ScalingMode.AUTO
    """Direct: Layby puts the workload to sleep; what lies between one and many replicas is left
    to an autoscaler of its own, and all fields here but minReplicas have no effect. KEDA: Layby
    keeps a ScaledObject for it, or adds itself to the one that is there, and KEDA does both. Of a
    ScaledObject that is there only that is changed which is not left at its default here, and it
    is put back when the TrafficHold goes. Auto: KEDA where it is installed, else Direct."""
    min_replicas: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many replicas are kept without any request. 0 lets the workload sleep. From 1 on it
    never sleeps, and requests are parked only while none of its replicas is ready."""
    max_replicas: Replicas = 100
    """How many replicas KEDA may start at most."""
    target: Target = Target(concurrency=100)
    """The load per replica that KEDA scales by: either concurrency or requestsPerSecond. Left out,
    it is a concurrency of 100."""
    polling_interval: Annotated[float, Between("1s", "1h")] | None = None
    """How often KEDA asks whether the workload is still needed, in whole seconds. A wake does not
    wait for it. By default 5s, or what the ScaledObject that is there says."""
    behavior: Annotated[dict[str, object], WithJsonSchema(_HPA_BEHAVIOR)] | None = None
    """How fast KEDA's HorizontalPodAutoscaler goes up and down: scaleUp and scaleDown as in its
    spec.behavior. By default as Kubernetes does."""
    fallback: ScalingFallback | None = None
    """What KEDA does while it gets no answer from Layby's hold servers. By default it leaves the
    workload as it is."""

    @rule(
        "self.minReplicas <= self.maxReplicas",
        "minReplicas is more than maxReplicas: lower the one or raise the other",
        at="minReplicas",
    )
    def bounds_are_in_order(self) -> bool:
        """Whether there is any number of replicas between the bounds."""
        return self.min_replicas <= self.max_replicas


class Release(Model):
    """How parked requests are let go once the workload is ready."""

    per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests per second and ready replica. By default all are let go as soon as Envoy can route
    them. Set it where a cold replica cannot take a burst."""


class Behaviour(Model):
    """How a workload is held, woken, scaled and put to sleep. Every field has a default."""

    hold: Hold = Hold()
    wake: Wake = Wake()
    idle: Idle = Idle()
    scaling: Scaling = Scaling()
    probes: Annotated[tuple[Probe, ...], Field(max_length=16)] = ()
    """Requests that Layby answers itself while the workload sleeps, so that a health check wakes
    nothing and keeps nothing awake. The first that matches answers. By default there are none:
    every request wakes the workload. A kubelet's own probes never come this way."""
    release: Release = Release()
    dry_run: bool = False
    """Hold and scale nothing, only report what would have been held and for how long the workload
    would have slept."""

    @rule(
        "self.wake.replicas <= self.scaling.maxReplicas",
        "wake.replicas is more than scaling.maxReplicas, and the rest would be taken away again: "
        "lower the one or raise the other",
        at="wake.replicas",
    )
    def wakes_within_bounds(self) -> bool:
        """Whether an autoscaler would keep what a wake starts."""
        return self.wake.replicas <= self.scaling.max_replicas
