"""What is said of the scaling of a workload: whether it can be put to sleep and woken, and by whom.

Owns the words, and KEDA's where KEDA has some. Must not know what is done about it. No I/O, no
clock.
"""

import re
from collections.abc import Sequence
from math import inf

from controller.conditions import Judgement
from controller.facts import Facts, Keda
from controller.scaled_object import TRIGGER, ScaledObject
from controller.sleep import UNKNOWN_SECONDS
from crds.condition import ConditionType, ScalerReady
from feed.board import YOUNG_SECONDS

KEDA_SECONDS = 60.0
"""How much later than it has asked KEDA may say that all is well: it writes 20 times a second, for
all ScaledObjects together."""
_UNANSWERED = re.compile(
    r"\b[Tt]riggers defined in ScaledObject are not working correctly"
    r"|no metric specs returned from scalers"
)
"""KEDA's words for that a trigger gives it no answer, whichever it is: those of its scale loop, and
of making the autoscaler (2.20: scale_scaledobjects.go, hpa.go). All else, as an authentication that
it cannot read, has nothing to do with hold servers."""
_BY_KEDA = frozenset({ScalerReady.KEDA, ScalerReady.KEDA_ADOPTED, ScalerReady.NEVER_SLEEPS})


def pending(text: str) -> Judgement:
    """Say that there is something to wait for."""
    return Judgement(ScalerReady.SCALED_OBJECT_PENDING, text)


def judge_direct(facts: Facts, *, absent: bool = False) -> Judgement:
    """Judge a workload that Layby puts to sleep itself.

    Args:
        facts: what there is.
        absent: whether that were KEDA's to do, which is not there, or not looked after.
    """
    if absent and facts.keda is Keda.OFF:
        return Judgement(
            ScalerReady.KEDA_DISABLED,
            "this controller is told to leave ScaledObjects alone: set keda.enabled=true in the "
            "chart, which is LAYBY_CONTROLLER_KEDA, or scaling.mode to Direct or Auto",
        )
    if absent:
        return Judgement(
            ScalerReady.KEDA_NOT_INSTALLED,
            "there is no KEDA in this cluster: install it, or set scaling.mode to Direct or Auto",
        )
    if facts.scale_refused:
        return Judgement(ScalerReady.FORBIDDEN, facts.scale_refused)
    lowest = facts.hold.spec.scaling.min_replicas
    if lowest:
        return Judgement(ScalerReady.NEVER_SLEEPS, f"scaling.minReplicas is {lowest}")
    return Judgement(ScalerReady.DIRECT, "Layby scales to zero and back")


def left_alone(
    facts: Facts, users: Sequence[ScaledObject], *, by_keda: bool, accepted: bool
) -> Judgement:
    """Judge a workload for which Layby has no ScaledObject, though there is KEDA."""
    names = " and ".join(str(each) for each in users)
    if not by_keda and users:
        return Judgement(
            ScalerReady.AUTOSCALER_CONFLICT,
            f"{names} scales the target too, and Layby leaves it to that: set scaling.mode to "
            "KEDA or Auto to have Layby add its trigger, or delete it",
        )
    if not by_keda:
        return judge_direct(facts)
    if not accepted:
        return pending("no ScaledObject is made or changed: see Accepted")
    if users:
        text = f"spec.dryRun is set: {names} is left as it is"
        return Judgement(ScalerReady.KEDA_ADOPTED, text)
    return Judgement(ScalerReady.KEDA, "spec.dryRun is set: no ScaledObject is made")


def judge_used(facts: Facts, used: ScaledObject, *, adopted: bool) -> Judgement:
    """Judge a workload that KEDA scales by a ScaledObject with Layby's trigger."""
    if wrong := _what_is_wrong(facts, used):
        return wrong
    lowest = facts.hold.spec.scaling.min_replicas
    if lowest:
        return Judgement(ScalerReady.NEVER_SLEEPS, f"scaling.minReplicas is {lowest}")
    if not adopted:
        return Judgement(ScalerReady.KEDA, f"KEDA scales by {used}")
    if used.floor:
        return Judgement(
            ScalerReady.NEVER_SLEEPS,
            f"{used} keeps {used.floor} replicas at least: lower its minReplicaCount or "
            "idleReplicaCount to 0 to have the workload sleep",
        )
    return Judgement(ScalerReady.KEDA_ADOPTED, f"KEDA scales by {used}, with Layby's trigger added")


def again_after(facts: Facts, used: ScaledObject) -> float | None:
    """Return the seconds after which KEDA's failure may be news, if there is one; else none."""
    demand = facts.demand
    if used.ready.status == "True" or not _UNANSWERED.search(used.ready.message):
        return None
    unknown = demand is None or not demand.complete
    return _excused_for(facts, used) or (UNKNOWN_SECONDS if unknown else None)


def _what_is_wrong(facts: Facts, used: ScaledObject) -> Judgement | None:
    if used.pause:
        return Judgement(
            ScalerReady.PAUSED,
            f"{used} is paused: remove its annotation {used.pause}, or KEDA does not scale the "
            "workload as it should",
        )
    if not used.ready.message and used.ready.status != "True":
        return pending(f"KEDA has not looked at {used} yet")
    if used.ready.status != "True" and (failure := _failure(facts, used)):
        return failure
    if used.formula and not re.search(rf"\b{TRIGGER}\b", used.formula):
        return Judgement(
            ScalerReady.AUTOSCALER_CONFLICT,
            f"by its scalingModifiers.formula alone {used} decides who is active, and requests "
            f"have no part in that: add the value of the trigger {TRIGGER} to the formula",
        )
    return None


def _failure(facts: Facts, used: ScaledObject) -> Judgement | None:
    """Tell of what KEDA fails at, if that is news.

    Each rollout of hold servers leaves it without an answer for a while, which is none.
    """
    demand = facts.demand
    failure = Judgement(
        ScalerReady.SCALED_OBJECT_NOT_READY, f"KEDA says of {used}: {used.ready.message}"
    )
    told = {each.type: each.reason for each in facts.hold.status.conditions}
    before, excused = told.get(ConditionType.SCALER_READY), _excused_for(facts, used) > 0
    settled = demand is not None and demand.complete and not excused
    if settled or before == failure.reason or not _UNANSWERED.search(used.ready.message):
        return failure
    if excused and before in _BY_KEDA:
        return None
    if demand is None:
        why = "no hold server is heard from"
    elif not demand.reported:
        why = "hold servers give no answer before the mesh's first request"
    elif not demand.complete:
        why = f"hold servers answer once each has been heard from for {YOUNG_SECONDS:g} s"
    else:
        why = f"hold servers can answer, and KEDA asks again every {used.polling_seconds:g} s"
    return pending(f"{failure.message}; {why}")


def _excused_for(facts: Facts, used: ScaledObject) -> float:
    """Return the seconds for which KEDA's failures are put down to a hold server that came or went.

    KEDA gets no answer from any until all accounts are whole, and says so until it has asked again.
    """
    settled = facts.demand.settled if facts.demand else inf
    return max(0.0, YOUNG_SECONDS + used.polling_seconds + KEDA_SECONDS - settled)
