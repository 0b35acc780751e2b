"""Who scales a workload: Layby, or KEDA by which ScaledObject; and what becomes of the others.

Owns the choice among the ScaledObjects that there are, and which of them may be changed or deleted.
Must not know how that is done. No I/O, no clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from controller import events
from controller.adoption import adopt, release
from controller.applied import digest, is_current, stamped
from controller.conditions import Judgement
from controller.events import Event
from controller.facts import Facts, Keda, Missing
from controller.scaled_object import ScaledObject, make, name_of
from controller.scaler_words import again_after, judge_direct, judge_used, left_alone, pending
from crds.condition import Attached, ScalerReady
from crds.v1alpha1.behaviour import ScalingMode
from kube.resource import Key, Object, key_of

_LASTING = frozenset({Attached.PROXY_TOO_OLD, Attached.HOLD_SERVER_HIDDEN})
"""For want of a gate in these ways KEDA keeps a replica, as Layby itself would not put it to sleep.
Not for a proxy that has just come: all ScaledObjects of the mesh would be written twice."""


class Write(NamedTuple):
    """A change of a ScaledObject."""

    key: Key
    body: Object
    patches: bool
    """Whether it is a merge patch on a user's, with preconditions; else ours is applied."""
    told: Event | None = None
    """What to tell once it is done."""

    @property
    def digest(self) -> str:
        """What is the same for the same change, whatever else has changed meanwhile."""
        metadata = {k: v for k, v in self.body["metadata"].items() if k != "resourceVersion"}
        return digest({**self.body, "metadata": metadata})


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Who scales a workload."""

    judgement: Judgement
    by_keda: bool
    """Whether KEDA is to put the workload to sleep."""
    used: ScaledObject | None = None
    """The ScaledObject by which KEDA does that now."""
    write: tuple[Write, ...] = ()
    delete: tuple[ScaledObject, ...] = ()
    by_user: bool = False
    """Whether a ScaledObject of a user's has the workload, with or without Layby's trigger."""
    unfinished: bool = False
    """Whether something that Layby has made or changed is there, or is about to be."""
    is_refused: bool = False
    """Whether some of what would have to be written was refused lately."""
    again_after: float | None = None
    """Seconds until time alone may change the judgement."""

    @property
    def sleeps(self) -> bool:
        """Whether KEDA will put the workload to sleep for want of requests alone."""
        well = self.judgement.reason in {ScalerReady.KEDA, ScalerReady.KEDA_ADOPTED}
        return well and self.used is not None and not (self.used.active or self.used.floor)

    @property
    def is_blocked(self) -> bool:
        """Whether Layby may not put the workload to sleep, but nobody is known to do it instead."""
        return self.judgement.is_false or (self.used is not None and not self.sleeps)


@dataclass(frozen=True, slots=True)
class _Found:
    ours: tuple[ScaledObject, ...]
    adopted: tuple[ScaledObject, ...]
    users: tuple[ScaledObject, ...]
    """Those on the target that no TrafficHold has made."""
    foreign: tuple[ScaledObject, ...]
    """Those on the target that another TrafficHold has made."""
    named: ScaledObject | None
    """The one with the name of ours, whosever it is."""


def autoscaling(facts: Facts, *, accepted: bool, bypassed: bool) -> Autoscaling:
    """Decide who scales.

    Args:
        facts: what there is.
        accepted: whether the spec can be carried out.
        bypassed: whether some endpoints are known to reach Envoy before they are ready.
    """
    mode = facts.hold.spec.scaling.mode
    by_keda = mode is ScalingMode.KEDA or (mode is ScalingMode.AUTO and facts.keda is Keda.THERE)
    if facts.keda is Keda.UNSEEN:
        text = f"which ScaledObjects there are is not known yet: {facts.keda_trouble or 'wait'}"
        return Autoscaling(pending(text), by_keda=mode is not ScalingMode.DIRECT)
    if facts.keda in {Keda.ABSENT, Keda.OFF}:
        return Autoscaling(judge_direct(facts, absent=by_keda), by_keda=by_keda)
    found = _found(facts)
    if not (by_keda and accepted) or facts.hold.spec.dry_run:
        made = _hands_off(found, left_alone(facts, found.users, by_keda=by_keda, accepted=accepted))
    elif found.users:
        made = _by_user_s(facts, found)
    else:
        made = _by_ours(facts, found, bypassed=bypassed)
    return _without_refused(
        replace(
            made,
            by_keda=by_keda,
            by_user=bool(found.users),
            unfinished=bool(found.ours or found.adopted or made.write),
            again_after=again_after(facts, made.used) if made.used else None,
        ),
        facts,
    )


def parting(facts: Facts) -> Autoscaling:
    """Return what to do when a TrafficHold goes."""
    nothing = Judgement(ScalerReady.DIRECT)
    if facts.keda is not Keda.THERE:
        waits = facts.keda is Keda.UNSEEN
        return Autoscaling(nothing, by_keda=False, unfinished=waits)
    found = _found(facts)
    made = replace(
        _hands_off(found, nothing),
        by_user=bool(found.users),
        unfinished=bool(found.ours or found.adopted),
    )
    return _without_refused(made, facts)


def _hands_off(found: _Found, judgement: Judgement) -> Autoscaling:
    return Autoscaling(
        judgement, by_keda=False, write=_releases(found.adopted), delete=_gone(found.ours)
    )


def _by_user_s(facts: Facts, found: _Found) -> Autoscaling:
    user, *more = found.users
    write: tuple[Write, ...] = ()
    used: ScaledObject | None = None
    away = [each for each in found.adopted if each not in found.users]
    if more:
        names = " and ".join(str(each) for each in found.users)
        text = f"{names} scale the same target: delete all but one"
        judgement = Judgement(ScalerReady.AUTOSCALER_CONFLICT, text)
    elif wait := _in_the_way([*found.ours, *found.foreign], user):
        # KEDA's admission takes no second one for a target, not even an older one's change.
        judgement = wait
    else:
        patch = adopt(user.item, facts.hold, facts.scaler)
        told = None if user.adopter else events.adopted(user.key.name)
        write = (Write(user.key, patch, patches=True, told=told),) if patch else ()
        judgement, used = judge_used(facts, user, adopted=True), user
    return Autoscaling(
        judgement,
        by_keda=True,
        used=used,
        write=(*write, *_releases(away)),
        delete=_gone(found.ours),
    )


def _by_ours(facts: Facts, found: _Found, *, bypassed: bool) -> Autoscaling:
    key = Key(facts.hold.metadata.namespace, name_of(facts.hold.metadata.name))
    ours = next((each for each in found.ours if each.key == key), None)
    old = [each for each in found.ours if each.key != key]
    made = Autoscaling(
        pending(f"KEDA has not looked at ScaledObject {key.name} yet"),
        by_keda=True,
        write=_releases(found.adopted),
        delete=_gone(old),
    )
    if found.named and not ours and not found.named.managed:
        text = f"{found.named} is for another target, but has the name of Layby's: rename it"
        return replace(made, judgement=Judgement(ScalerReady.AUTOSCALER_CONFLICT, text))
    others = [*found.foreign, *old, *([found.named] if found.named and not ours else ())]
    if wait := _in_the_way(others, ours):
        return replace(made, judgement=wait)
    lowest = facts.hold.spec.scaling.min_replicas
    if not ours and not lowest and (facts.gate.is_open or bypassed):
        text = "no ScaledObject is made before the requests are held: see Attached"
        return replace(made, judgement=pending(text))
    if not lowest and facts.replicas and (bypassed or facts.gate.reason in _LASTING):
        lowest = 1
    wanted = stamped(make(facts.hold, facts.scaler, lowest))
    if not is_current(wanted, ours.item if ours else None):
        made = replace(made, write=(Write(key_of(wanted), wanted, patches=False), *made.write))
    if ours is None:
        return made
    return replace(made, used=ours, judgement=judge_used(facts, ours, adopted=False))


def _found(facts: Facts) -> _Found:
    hold = facts.hold.metadata
    target = None if isinstance(facts.target, Missing) else facts.target.key
    on_target = [each for each in facts.scaled_objects if each.target == target]
    key = Key(hold.namespace, name_of(hold.name))

    def is_ours(each: ScaledObject) -> bool:
        return each.managed and hold.uid in each.owners

    return _Found(
        ours=tuple(each for each in facts.scaled_objects if is_ours(each)),
        adopted=tuple(
            each for each in facts.scaled_objects if not each.managed and each.adopter == hold.uid
        ),
        users=tuple(each for each in on_target if not each.managed),
        foreign=tuple(each for each in on_target if each.managed and not is_ours(each)),
        named=next((each for each in facts.scaled_objects if each.key == key), None),
    )


def _in_the_way(others: Sequence[ScaledObject], chosen: ScaledObject | None) -> Judgement | None:
    if others:
        return pending(f"{others[0]} has to go first")
    if chosen and chosen.ending:
        return pending(f"{chosen} is being deleted")
    return None


def _releases(adopted: Iterable[ScaledObject]) -> tuple[Write, ...]:
    patches = ((each.key, release(each.item)) for each in adopted if not each.ending)
    return tuple(
        Write(key, patch, patches=True, told=events.released(key.name))
        for key, patch in patches
        if patch
    )


def _gone(ours: Iterable[ScaledObject]) -> tuple[ScaledObject, ...]:
    return tuple(each for each in ours if not each.ending)


def _without_refused(made: Autoscaling, facts: Facts) -> Autoscaling:
    whys = [(each, facts.rejections.get(each.digest)) for each in made.write]
    refused = [f"ScaledObject {each.key.name}: {why}" for each, why in whys if why is not None]
    if not refused:
        return made
    return replace(
        made,
        write=tuple(each for each, why in whys if why is None),
        judgement=Judgement(ScalerReady.SCALED_OBJECT_REJECTED, "; ".join(refused)),
        is_refused=True,
    )
