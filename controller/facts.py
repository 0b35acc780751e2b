"""All that a plan for one TrafficHold is made from, as it was at one moment.

Must not know where any of it comes from, nor what follows from it. No I/O, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from controller.conflicts import Loss
from controller.demand import Demand
from controller.dry_run import Rehearsal
from controller.last_wake import last_wake
from controller.rule import Mesh, Rule
from controller.scaled_object import ScaledObject, Scaler
from controller.services import Leading
from controller.workload import Workload
from crds.condition import Accepted, Attached
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.traffichold import LastWake

FINALIZER = "layby.dev/wake"
"""On a TrafficHold whose requests are held, for as long as they are: its workload is woken before
it goes, whoever has scaled that to zero, or nobody ever would. And for as long as there is a
ScaledObject that Layby has made or changed, by which KEDA may put it to sleep at any moment."""


class Missing(NamedTuple):
    """There is no workload to hold."""

    reason: Accepted
    message: str
    again_after: float | None = None
    """Seconds after which to look again, if no event tells."""


class Gate(NamedTuple):
    """Whether the proxies of the mesh have the gate."""

    reason: Attached
    message: str

    @property
    def is_open(self) -> bool:
        """Whether it is known that some requests would pass it by."""
        return self.reason not in {Attached.ATTACHED, Attached.UNVERIFIED}


class Keda(Enum):
    """What is known of KEDA."""

    ABSENT = auto()
    UNSEEN = auto()
    """It is installed, but which ScaledObjects there are is not known yet."""
    OFF = auto()
    """This controller is told to leave ScaledObjects alone, and does not look for it."""
    THERE = auto()


Target: TypeAlias = Workload | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is."""

    hold: TrafficHold
    has_finalizer: bool = False
    target: Target
    replicas: int = 0
    """How many the target is asked to have."""
    leading: Leading
    neighbours: Mapping[str, tuple[Workload, ...]] = field(default_factory=dict)
    """The other workloads behind each of those Services, by its name."""
    loss: Loss | None = None
    rules: tuple[Rule, ...] = ()
    """The DestinationRules with the host of a Service that leads to the target, and those that
    were made for this TrafficHold."""
    ready_endpoints: int = 0
    """Of the Services that lead to the target, taken together."""
    ready_for: float = 0.0
    """Seconds since none of them was last seen to be, or since looking began."""
    demand: Demand | None = None
    demand_refused: str = ""
    """What a hold server says that does not tell its demand."""
    gate: Gate
    mesh: Mesh
    keda: Keda = Keda.ABSENT
    keda_trouble: str = ""
    """Why the ScaledObjects are not known, if they could be."""
    scaled_objects: tuple[ScaledObject, ...] = ()
    """Those that scale the target, that were made for or changed by this TrafficHold, or that have
    the name of the one that would be."""
    scaler: Scaler
    rejections: Mapping[str, str] = field(default_factory=dict)
    """Why writes of ScaledObjects were refused lately, by what was written."""
    scale_refused: str = ""
    """Why the target could not be scaled when it was tried last."""
    up_for: float = 0.0
    """Seconds since the target was last seen at zero, or since looking began."""
    sheds: int = 0
    """Requests refused for want of a place that nobody has been told of."""
    exact_wake: LastWake | None = None
    """The wake that the status has, as it was told, if this controller has heard it."""
    rehearsal: Rehearsal | None = None
    """What would have been until now, if that is asked for and has been asked before."""
    status_age: float = float("inf")
    """Seconds since this controller wrote the status."""

    @property
    def last_wake(self) -> LastWake | None:
        """The latest wake, as a status has it."""
        told = self.demand.last_wake if self.demand else None
        return last_wake(self.hold.status.last_wake, told, self.exact_wake)

    @property
    def is_unreported(self) -> bool:
        """Whether hold servers are known, and none has ever been told of requests by an Envoy."""
        return self.demand is not None and not self.demand.reported
