"""What to do about a TrafficHold that is being deleted.

Owns what is undone before it goes, and how long that may take. Must not know how any of it is
carried out. No I/O, no clock: `now` is an argument.
"""

from dataclasses import replace
from datetime import datetime

from controller import events
from controller.autoscaler import Autoscaling, parting
from controller.facts import Facts, Missing
from controller.steps import Plan, Scaling, removals, with_status
from controller.workload import Workload
from crds.condition import Ready, judge, merge

LOOK_SECONDS = 1.0
SETTLED_SECONDS = 1.0
"""Envoys hear of a ready endpoint later than Layby does, and until then requests are held."""


def farewell(facts: Facts, now: datetime) -> Plan:
    """Undo what Layby has done to the workload, wake it, and let go when Envoys know that it is up.

    Until then requests go on being parked. What does not come about, be it that the workload does
    not start or that KEDA does not let go, holds nothing up for longer than a request would have
    waited.
    """
    hold = facts.hold
    deleted_at = hold.metadata.deletion_timestamp
    if not facts.has_finalizer or deleted_at is None:
        return Plan()
    left = hold.spec.hold.timeout - (now - deleted_at).total_seconds()
    undone = parting(facts)
    made = Plan(delete=removals(undone), write=undone.write, again_after=max(left, LOOK_SECONDS))
    if left <= 0 and (facts.replicas or _is_others_matter(facts, undone)):
        return replace(made, finalizer=False, again_after=None)
    target = facts.target
    if isinstance(target, Missing) or _is_others_matter(facts, undone):
        return _handed_over(facts, undone, made)
    if facts.replicas and (facts.ready_endpoints or not facts.leading.services):
        if _is_unfinished(undone):
            return made
        unsettled = SETTLED_SECONDS - facts.ready_for if facts.leading.services else 0.0
        return Plan(again_after=unsettled) if unsettled > 0 else Plan(finalizer=False)
    return _woken(facts, target, made, now)


def _is_others_matter(facts: Facts, undone: Autoscaling) -> bool:
    """Whether it is not for Layby to wake the workload."""
    lost = facts.loss is not None and not facts.loss.service
    return isinstance(facts.target, Missing) or lost or bool(facts.scale_refused) or undone.by_user


def _is_unfinished(undone: Autoscaling) -> bool:
    """Whether there is still something to wait for; what was refused is given up."""
    return undone.unfinished and not undone.is_refused


def _handed_over(facts: Facts, undone: Autoscaling, made: Plan) -> Plan:
    """Let go when all is as it was, but not while requests wait for what starts.

    Not even of a ScaledObject: KEDA would put that to sleep.
    """
    waits = undone.by_user and facts.demand is not None and facts.demand.pending > 0
    if waits and not facts.ready_endpoints:
        return Plan(again_after=made.again_after)
    return made if _is_unfinished(undone) else Plan(finalizer=False)


def _woken(facts: Facts, target: Workload, made: Plan, now: datetime) -> Plan:
    hold = facts.hold
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
    return with_status(made, facts, wanted)
