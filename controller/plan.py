"""What to do about one TrafficHold: the difference between what there is and what there should be.

Owns the order of decisions, and what may be deleted. Must not know how any of it is carried out.
No I/O, no clock: `now` is an argument. On the facts that it leads to it plans nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from controller import events
from controller.applied import is_current, stamped
from controller.conditions import Judgements, judge_all
from controller.destination_rule import Coverage, Owner, cover, is_ours
from controller.events import Event
from controller.facts import Facts, Missing
from controller.sleep import Decision, Reason, Situation, decide
from controller.status import status, write_in
from crds.condition import Ready, judge, merge
from crds.v1alpha1.behaviour import ScalingMode
from crds.v1alpha1.traffichold import TrafficHoldStatus
from kube.resource import Key, Object, key_of

_LOOK_SECONDS = 1.0


class Scaling(NamedTuple):
    """A change of the number of replicas, provided that it still is what it was."""

    current: int
    desired: int
    told: Event
    """What to tell once it is done."""


class Removal(NamedTuple):
    """A DestinationRule of ours that is not wanted any more."""

    key: Key
    uid: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order; but a finalizer is taken away after the scaling."""

    delete: tuple[Removal, ...] = ()
    apply: tuple[Object, ...] = ()
    finalizer: bool | None = None
    """Whether to add it, or to take it away; none to leave it."""
    scale: Scaling | None = None
    status: TrafficHoldStatus | None = None
    events: tuple[Event, ...] = ()
    again_after: float | None = None
    """Seconds until time alone may change the plan."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do now."""
        return self == Plan(again_after=self.again_after)


def plan(facts: Facts, now: datetime) -> Plan:
    """Decide what to do about a TrafficHold."""
    if facts.hold.metadata.deletion_timestamp is not None:
        return _farewell(facts, now)
    owner = Owner(facts.hold.metadata.name, facts.hold.metadata.uid)
    coverages = _coverages(facts, owner)
    judged = judge_all(facts, [text for each in coverages for text in each.advice])
    decision = _decision(facts, judged, bypassed=any(each.advice for each in coverages))
    scaling = _scaling(facts, judged, decision)
    delete, apply = _rules(facts, owner, coverages)
    made = Plan(
        delete=delete,
        apply=apply,
        finalizer=_finalizer(facts, scaling),
        scale=scaling,
        again_after=decision.again_after,
    )
    wanted = status(
        facts,
        judged,
        replicas=scaling.desired if scaling else facts.replicas,
        idle=decision.is_idle,
        now=now,
    )
    return _with_status(made, facts, wanted)


def _coverages(facts: Facts, owner: Owner) -> list[Coverage]:
    if isinstance(facts.target, Missing) or facts.loss or facts.leading.troubles:
        return []
    return [cover(each, facts.rules, owner, facts.mesh) for each in facts.leading.services]


def _rules(
    facts: Facts, owner: Owner, coverages: Sequence[Coverage]
) -> tuple[tuple[Removal, ...], tuple[Object, ...]]:
    """Compare the rules that there should be with those of ours that there are."""
    wanted = {
        key_of(each.ours): stamped(each.ours)
        for each in coverages
        if each.ours is not None and not facts.hold.spec.dry_run
    }
    ours = {rule.key: rule for rule in facts.rules if is_ours(rule, owner)}
    delete = [Removal(key, rule.uid) for key, rule in ours.items() if key not in wanted]
    apply = [
        item
        for key, item in wanted.items()
        if not is_current(item, ours[key].item if key in ours else None)
    ]
    return tuple(delete), tuple(apply)


def _decision(facts: Facts, judged: Judgements, *, bypassed: bool) -> Decision:
    if isinstance(facts.target, Missing):
        return Decision(Reason.NOT_ACCEPTED, facts.target.again_after)
    spec = facts.hold.spec
    return decide(
        Situation(
            accepted=not judged.accepted.is_false,
            attached=not (facts.gate.is_open or bypassed),
            scaled_by_others=_is_left_to_others(facts),
            scale_refused=bool(facts.scale_refused),
            min_replicas=spec.scaling.min_replicas,
            dry_run=spec.dry_run,
            replicas=facts.replicas,
            up_for=facts.up_for,
            idle_after=spec.idle.after,
            demand=facts.demand,
        )
    )


def _is_left_to_others(facts: Facts) -> bool:
    return bool(facts.scaled_by) or facts.hold.spec.scaling.mode is ScalingMode.KEDA


def _scaling(facts: Facts, judged: Judgements, decision: Decision) -> Scaling | None:
    target = facts.target
    if isinstance(target, Missing):
        return None
    if decision.sleeps and facts.demand is not None:
        told = events.slept(target.key, facts.replicas, facts.demand.quiet)
        return Scaling(facts.replicas, 0, told)
    if facts.has_finalizer and facts.replicas == 0 and (why := _must_rouse(facts, judged)):
        spec = facts.hold.spec
        replicas = max(spec.wake.replicas, spec.scaling.min_replicas)
        return Scaling(0, replicas, events.roused(target.key, replicas, why))
    return None


def _must_rouse(facts: Facts, judged: Judgements) -> str:
    """Tell why a workload that Layby has put to sleep must not sleep any longer."""
    if (facts.loss and not facts.loss.service) or _is_left_to_others(facts):
        return ""  # somebody else sees to it
    if facts.hold.spec.dry_run:
        return "spec.dryRun is set now"
    if facts.hold.spec.scaling.min_replicas:
        return "scaling.minReplicas is not 0 now"
    return "its requests are not held now" if judged.accepted.is_false else ""


def _finalizer(facts: Facts, scaling: Scaling | None) -> bool | None:
    """Have the finalizer for as long as the workload sleeps, and we made it."""
    if scaling and scaling.desired == 0:
        return None if facts.has_finalizer else True
    is_up = isinstance(facts.target, Missing) or facts.replicas > 0 or scaling is not None
    return False if facts.has_finalizer and is_up else None


def _farewell(facts: Facts, now: datetime) -> Plan:
    """Wake the workload if it sleeps by our doing, and let go of the TrafficHold when it is up.

    Until then requests go on being parked. A workload that does not start holds nothing up for
    longer than a request would have waited.
    """
    hold, target = facts.hold, facts.target
    deleted_at = hold.metadata.deletion_timestamp
    if not facts.has_finalizer or deleted_at is None:
        return Plan()
    lost = facts.loss is not None and not facts.loss.service
    if isinstance(target, Missing) or lost or facts.scale_refused or _is_left_to_others(facts):
        return Plan(finalizer=False)
    left = hold.spec.hold.timeout - (now - deleted_at).total_seconds()
    if facts.replicas and (facts.ready_endpoints or left <= 0):
        return Plan(finalizer=False)
    made = Plan(again_after=max(left, _LOOK_SECONDS))
    if facts.replicas == 0:
        replicas = hold.spec.wake.replicas
        told = events.roused(target.key, replicas, "the TrafficHold is being deleted")
        made = replace(made, scale=Scaling(0, replicas, told))
    ending = judge(
        Ready.TERMINATING,
        f"{target.key} sleeps, and is woken first",
        now=now,
        generation=hold.metadata.generation,
    )
    wanted = hold.status.model_copy(update={"conditions": merge(hold.status.conditions, ending)})
    return _with_status(made, facts, wanted)


def _with_status(made: Plan, facts: Facts, wanted: TrafficHoldStatus) -> Plan:
    current = facts.hold.status
    told = tuple(events.changes(current, wanted, dry_run=facts.hold.spec.dry_run))
    due = write_in(current, wanted, facts.status_age)
    if due is None:
        return made
    if due > 0:
        again = due if made.again_after is None else min(due, made.again_after)
        return replace(made, again_after=again)
    return replace(made, status=wanted, events=told)
