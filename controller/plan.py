"""What to do about one TrafficHold: the difference between what there is and what there should be.

Owns the order of decisions, and what may be deleted. Must not know how any of it is carried out.
No I/O, no clock: `now` is an argument. On the facts that it leads to it plans nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from controller import events
from controller.applied import is_current, stamped
from controller.autoscaler import Autoscaling, autoscaling
from controller.conditions import Judgements, accepted, judge_all
from controller.destination_rule import Coverage, Owner, cover, is_ours
from controller.dry_run import Rehearsal, Sight, begun, rehearse, start_seconds
from controller.facts import Facts, Missing
from controller.farewell import farewell
from controller.sleep import Decision, Reason, Situation, decide
from controller.status import status
from controller.steps import Plan, Removal, Scaling, removals, sooner, with_status
from controller.subsets import unheld_subsets
from crds.condition import Accepted, Attached
from kube.resource import Object, key_of


def plan(facts: Facts, now: datetime) -> Plan:
    """Decide what to do about a TrafficHold."""
    if facts.hold.metadata.deletion_timestamp is not None:
        return farewell(facts, now)
    owner = Owner(facts.hold.metadata.name, facts.hold.metadata.uid)
    coverages = _coverages(facts, owner)
    advice = [text for each in coverages for text in each.advice]
    bypassed = bool(advice or unheld_subsets(facts))
    scaled = autoscaling(facts, accepted=not accepted(facts).is_false, bypassed=bypassed)
    judged = judge_all(facts, advice, scaled.judgement)
    decision = _decision(facts, judged, scaled, bypassed=bypassed)
    scaling = _scaling(facts, judged, decision, scaled)
    rehearsal = _rehearsal(facts, decision, now)
    delete, apply = _rules(facts, owner, coverages)
    made = Plan(
        finalizer=_finalizer(facts, judged, scaling, scaled),
        delete=(*delete, *removals(scaled)),
        apply=apply,
        write=scaled.write,
        scale=scaling,
        events=tuple(events.shed(facts.sheds, facts.hold.spec.hold.max_pending)),
        again_after=sooner(
            decision.again_after,
            rehearsal.again_after if rehearsal else None,
            scaled.again_after,
        ),
        reason=decision.reason,
        rehearsal=rehearsal,
    )
    wanted = status(
        facts,
        judged,
        replicas=scaling.desired if scaling else facts.replicas,
        idle=decision.is_idle,
        rehearsal=rehearsal,
        now=now,
    )
    return with_status(made, facts, wanted)


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
    # A target that is missing may be back in a moment, with endpoints that are not ready.
    missing = accepted(facts).reason is Accepted.TARGET_NOT_FOUND
    delete = [
        Removal(key, rule.uid) for key, rule in ours.items() if key not in wanted and not missing
    ]
    apply = [
        item
        for key, item in wanted.items()
        if not is_current(item, ours[key].item if key in ours else None)
    ]
    return tuple(delete), tuple(apply)


def _decision(facts: Facts, judged: Judgements, scaled: Autoscaling, *, bypassed: bool) -> Decision:
    if isinstance(facts.target, Missing):
        return Decision(Reason.NOT_ACCEPTED, facts.target.again_after)
    spec = facts.hold.spec
    return decide(
        Situation(
            accepted=not judged.accepted.is_false,
            attached=not (facts.gate.is_open or bypassed),
            left_to_keda=scaled.sleeps,
            scaled_by_others=scaled.is_blocked and not facts.scale_refused,
            scale_refused=bool(facts.scale_refused),
            min_replicas=spec.scaling.min_replicas,
            dry_run=spec.dry_run,
            replicas=facts.replicas,
            up_for=facts.up_for,
            idle_after=spec.idle.after,
            demand=facts.demand,
        )
    )


def _rehearsal(facts: Facts, decision: Decision, now: datetime) -> Rehearsal | None:
    """Go on with the account of what would have been; where nothing is known, as it was."""
    told, demand, before = facts.hold.status, facts.demand, facts.rehearsal
    if not facts.hold.spec.dry_run:
        return None
    if before is None:
        if demand is None or not demand.complete:
            # What is heard little by little at first would count as requests that came just now.
            return None
        before = begun(told.dry_run, now.timestamp(), demand.requests)
    if demand is None or isinstance(facts.target, Missing):
        return before
    return rehearse(
        before,
        Sight(
            at=now.timestamp(),
            reason=decision.reason,
            replicas=facts.replicas,
            requests=demand.requests,
            quiet=demand.quiet,
            start=start_seconds(demand.last_wake or told.last_wake),
        ),
    )


def _scaling(
    facts: Facts, judged: Judgements, decision: Decision, scaled: Autoscaling
) -> Scaling | None:
    target = facts.target
    if isinstance(target, Missing):
        return None
    if decision.sleeps and facts.demand is not None:
        told = events.slept(target.key, facts.replicas, facts.demand.quiet)
        return Scaling(facts.replicas, 0, told)
    if facts.has_finalizer and facts.replicas == 0 and (why := _must_rouse(facts, judged, scaled)):
        spec = facts.hold.spec
        replicas = max(spec.wake.replicas, spec.scaling.min_replicas)
        return Scaling(0, replicas, events.roused(target.key, replicas, why))
    return None


def _must_rouse(facts: Facts, judged: Judgements, scaled: Autoscaling) -> str:
    """Tell why a workload that was held at zero must not stay there."""
    if (facts.loss and not facts.loss.service) or scaled.by_user:
        return ""  # somebody else sees to it
    if facts.hold.spec.dry_run:
        return "spec.dryRun is set now"
    if facts.hold.spec.scaling.min_replicas:
        return "scaling.minReplicas is not 0 now"
    if judged.attached.reason is Attached.SUBSET_NOT_HELD:
        return "another workload behind its Service is up, and a subset leads to this one alone"
    return "its requests are not held now" if judged.accepted.is_false else ""


def _finalizer(
    facts: Facts, judged: Judgements, scaling: Scaling | None, scaled: Autoscaling
) -> bool | None:
    """Have the finalizer for as long as requests are held, or there is something to undo."""
    is_held = not (judged.accepted.is_false or facts.hold.spec.dry_run)
    if is_held or scaled.unfinished:
        return None if facts.has_finalizer else True
    is_up = isinstance(facts.target, Missing) or facts.replicas > 0 or scaling is not None
    return False if facts.has_finalizer and is_up else None
