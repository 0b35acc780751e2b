"""Plans carried out in the mind, and what they say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.conflicts import Loss
from controller.destination_rule import Owner, cover
from controller.facts import Facts, Keda, Missing
from controller.plan import plan
from controller.rule import Rule
from controller.scaled_object import ScaledObject
from controller.steps import Plan
from crds.condition import Accepted
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from kube.resource import DESTINATION_RULES, Key
from tests.controller.objects import (
    MESH,
    asleep,
    read_hold,
    read_scaled_object,
    read_service,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
IDLE = asleep()
WINNER = Loss(Key("shop", "older"))
GONE = Missing(Accepted.TARGET_NOT_FOUND, "there is no Deployment cart in namespace shop")
WOKEN = LastWake(at=NOW, duration=1.25, outcome=WakeOutcome.SUCCEEDED)
FAILED = LastWake(at=NOW, duration=1.25, outcome=WakeOutcome.FAILED)
DELETED = {"hold": read_hold(deletionTimestamp="2026-01-02T03:04:00Z"), "has_finalizer": True}
"""Five seconds ago."""
NEW = {"metadata": {"uid": "uid-of-ours", "resourceVersion": "1"}}


DIRECT = read_hold(spec={"scaling": {"mode": "Direct"}})
LEFT = {"hold": DIRECT, "keda": Keda.THERE, "scaled_objects": (read_scaled_object(),)}
"""To a ScaledObject of a user's."""


def settled(before: Facts) -> Facts:
    """Return the facts after a plan for them has been carried out, and the informers know it."""
    made = plan(before, NOW)
    rules = {rule.key: rule for rule in before.rules}
    scaled = {each.key: each for each in before.scaled_objects}
    for removal in made.delete:
        del (rules if removal.resource is DESTINATION_RULES else scaled)[removal.key]
    for write in made.write:
        current = scaled[write.key].item if write.key in scaled else NEW
        scaled[write.key] = ScaledObject.read(merged(current, write.body))
    for item in made.apply:
        rule = Rule.read(item, MESH)
        rules[rule.key] = rule
    hold = before.hold
    if made.status is not None:
        hold = hold.model_copy(update={"status": made.status})
    return replace(
        before,
        hold=hold,
        rules=tuple(rules.values()),
        scaled_objects=tuple(scaled.values()),
        replicas=made.scale.desired if made.scale else before.replicas,
        has_finalizer=before.has_finalizer if made.finalizer is None else made.finalizer,
        status_age=0.0,
    )


def merged(current, patch):
    """Return an object with a merge patch."""
    if not isinstance(current, Mapping) or not isinstance(patch, Mapping):
        return patch
    both = {**current, **{key: merged(current.get(key), patch[key]) for key in patch}}
    return {key: value for key, value in both.items() if value is not None}


def ours() -> Rule:
    item = cover(read_service(), [], Owner("cart", "uid-of-cart"), MESH).ours
    assert item
    return Rule.read(item, MESH)


def reasons(made: Plan) -> dict[str, str]:
    assert made.status
    return {condition.type: condition.reason for condition in made.status.conditions}


def told(made: Plan) -> list[str]:
    return [event.reason for event in made.events]
