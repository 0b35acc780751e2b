"""ScaledObjects, and the facts where there are some."""

from dataclasses import replace

from controller.facts import Gate, Keda
from controller.scaled_object import ScaledObject, make
from controller.services import Leading, Problem, Trouble
from crds.condition import Attached
from kube.resource import Key
from tests.controller.objects import (
    SCALER,
    facts,
    meta,
    read_hold,
    read_rule,
    read_scaled_object,
)
from tests.controller.plans import (
    merged,
    settled,
)

THERE = {"keda": Keda.THERE}
PENDING = {"gate": Gate(Attached.PENDING, "")}
HIDDEN = {"gate": Gate(Attached.HOLD_SERVER_HIDDEN, "")}
DRY = read_hold(spec={"dryRun": True})
NEVER = read_hold(spec={"scaling": {"minReplicas": 2}})
KEY = Key("shop", "layby-cart")
NO_SERVICE = {"leading": Leading(troubles=(Trouble(Problem.NO_SERVICE),))}
ADVICE = {"rules": (read_rule(spec={"trafficPolicy": {}}),)}
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
OTHER_S = {"ownerReferences": [{"uid": "of-another", "name": "other"}]}


def our(hold=None, *, floor=0, ready="True", active="False", message="", **metadata):
    """Return the ScaledObject that Layby has made, with what KEDA says of it."""
    made = make(hold or read_hold(), SCALER, floor)
    item = merged({"metadata": meta("layby-cart")}, made)
    said = {"Ready": ready, "Active": active}
    conditions = [
        {"type": kind, "status": status, "message": message or f"{kind} is {status}"}
        for kind, status in said.items()
        if status
    ]
    item["metadata"].update(metadata)
    return ScaledObject.read({**item, "status": {"conditions": conditions}})


def stamped(**more):
    """Return facts with ours as it was applied."""
    made = settled(facts(**THERE, **more))
    (item,) = (each.item for each in made.scaled_objects if each.managed)
    said = our().item["status"]
    others = (each for each in made.scaled_objects if not each.managed)
    return replace(made, scaled_objects=(*others, ScaledObject.read({**item, "status": said})))


def user_s(**more):
    return {**THERE, "scaled_objects": (read_scaled_object(**more),)}


def adopted(**more):
    """Return facts with a user's that has Layby's trigger."""
    return settled(facts(**{**user_s(**more.pop("of", {})), **more}))


def writes(made):
    return [(each.key.name, each.patches) for each in made.write]


def says(made):
    assert made.status
    return next(c.message for c in made.status.conditions if c.type == "ScalerReady")
