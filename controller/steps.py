"""The steps that a plan for one TrafficHold is made of, and their order.

Must not know when they are taken, nor how. No I/O, no clock.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from controller import events
from controller.autoscaler import Autoscaling, Write
from controller.dry_run import Rehearsal
from controller.events import Event
from controller.facts import Facts
from controller.sleep import Reason
from controller.status import write_in
from crds.v1alpha1.traffichold import TrafficHoldStatus
from kube.resource import DESTINATION_RULES, SCALED_OBJECTS, Key, Object, Resource


class Scaling(NamedTuple):
    """A change of the number of replicas, provided that it still is what it was."""

    current: int
    desired: int
    told: Event
    """What to tell once it is done."""


class Removal(NamedTuple):
    """An object of ours that is not wanted any more."""

    key: Key
    uid: str
    resource: Resource = DESTINATION_RULES


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order; but a finalizer is taken away after the scaling."""

    finalizer: bool | None = None
    """Whether to add it, or to take it away; none to leave it."""
    delete: tuple[Removal, ...] = ()
    apply: tuple[Object, ...] = ()
    """DestinationRules."""
    write: tuple[Write, ...] = ()
    """ScaledObjects."""
    scale: Scaling | None = None
    status: TrafficHoldStatus | None = None
    events: tuple[Event, ...] = ()
    again_after: float | None = None
    """Seconds until time alone may change the plan."""
    reason: Reason | None = field(default=None, compare=False)
    """Why the workload is put to sleep, or why not; nothing follows from it."""
    rehearsal: Rehearsal | None = field(default=None, compare=False)
    """What would have been until now, to be remembered."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do now."""
        return self == Plan(again_after=self.again_after)


def removals(scaled: Autoscaling) -> tuple[Removal, ...]:
    """Return the ScaledObjects that are not wanted any more."""
    return tuple(Removal(each.key, each.uid, SCALED_OBJECTS) for each in scaled.delete)


def with_status(made: Plan, facts: Facts, wanted: TrafficHoldStatus) -> Plan:
    """Return a plan that also brings about a status, if that is worth a write."""
    current = facts.hold.status
    told = tuple(events.changes(current, wanted))
    due = write_in(current, wanted, facts.status_age)
    if due is None:
        return made
    if due > 0:
        again = due if made.again_after is None else min(due, made.again_after)
        return replace(made, again_after=again)
    return replace(made, status=wanted, events=(*made.events, *told))


def sooner(*times: float | None) -> float | None:
    """Return the first of the times after which to look again; none if there is none."""
    return min((each for each in times if each is not None), default=None)
