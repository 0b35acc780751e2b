"""Plans carried out in the mind, and what they say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.conflicts import Loss
from controller.destination_rule import Owner, cover
from controller.facts import Facts, Missing
from controller.plan import Plan, plan
from controller.rule import Rule
from crds.condition import Accepted
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from kube.resource import Key
from tests.controller.objects import (
    MESH,
    asleep,
    read_hold,
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


def settled(before: Facts) -> Facts:
    """Return the facts after a plan for them has been carried out, and the informers know it."""
    made = plan(before, NOW)
    rules = {rule.key: rule for rule in before.rules}
    for removal in made.delete:
        del rules[removal.key]
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
        replicas=made.scale.desired if made.scale else before.replicas,
        has_finalizer=before.has_finalizer if made.finalizer is None else made.finalizer,
        status_age=0.0,
    )


def ours() -> Rule:
    item = cover(read_service(), [], Owner("cart", "uid-of-cart"), MESH).ours
    assert item
    return Rule.read(item, MESH)


def reasons(made: Plan) -> dict[str, str]:
    assert made.status
    return {condition.type: condition.reason for condition in made.status.conditions}


def told(made: Plan) -> list[str]:
    return [event.reason for event in made.events]
