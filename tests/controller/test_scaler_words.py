from dataclasses import replace

import pytest

from controller.facts import Keda
from controller.plan import plan
from controller.scaled_object import Verdict
from crds.condition import Ready, ScalerReady
from crds.v1alpha1.traffichold import Phase
from tests.controller.objects import (
    asleep,
    facts,
)
from tests.controller.plans import (
    IDLE,
    LATER,
    NOW,
    reasons,
    settled,
    told,
)
from tests.controller.scaled import (
    THERE,
    adopted,
    our,
    says,
    stamped,
    user_s,
)

NO_ANSWER = "Triggers defined in ScaledObject are not working correctly"
"""In KEDA's words, as those below."""
SOME = "Some triggers defined in ScaledObject are not working correctly"
NO_SPECS = (
    "failed to ensure HPA is correctly created for ScaledObject: no metric specs returned from "
    "scalers for ScaledObject shop/layby-cart"
)
NO_SECRET = (
    "failed to ensure HPA is correctly created for ScaledObject: error getting scaler for trigger "
    "#1: error parsing prometheus metadata: no bearer token given"
)
NO_COUNT = "Error getting current replicas count for ScaleTarget: deployments.apps is forbidden"


def unanswered(**more):
    """Return the ScaledObject that Layby has made, whose trigger gives KEDA no answer."""
    return our(**{"ready": "False", "message": NO_ANSWER, **more})


def test_why_the_scaled_objects_are_not_known_is_told():
    """A role has to be put right, perhaps."""
    made = plan(facts(keda=Keda.UNSEEN, keda_trouble="Forbidden: no"), NOW)
    assert "Forbidden: no" in says(made)


@pytest.mark.parametrize(
    ("so", "expected", "text"),
    [
        ({}, ScalerReady.KEDA, "KEDA scales by ScaledObject layby-cart"),
        ({"ready": ""}, ScalerReady.SCALED_OBJECT_PENDING, "has not looked at"),
        (
            {"ready": "False", "message": "no such scaler"},
            ScalerReady.SCALED_OBJECT_NOT_READY,
            "KEDA says of ScaledObject layby-cart: no such scaler",
        ),
        (
            {"ready": "Unknown", "message": "some triggers"},
            ScalerReady.SCALED_OBJECT_NOT_READY,
            "some triggers",
        ),
        (
            {"annotations": {"autoscaling.keda.sh/paused-replicas": "3"}},
            ScalerReady.PAUSED,
            "remove its annotation autoscaling.keda.sh/paused-replicas",
        ),
    ],
)
def test_what_keda_says_is_said(so, expected, text):
    """In its own words: it knows what is wrong."""
    made = plan(facts(**THERE, scaled_objects=(our(**so),), demand=IDLE), NOW)
    assert expected == reasons(made)["ScalerReady"]
    assert text in says(made)
    assert made.scale is None
    well = expected is ScalerReady.KEDA
    assert (Ready.READY if well else Ready.SCALER_NOT_READY) == reasons(made)["Ready"]


def test_a_warning_of_keda_s_is_told_after_the_wait_for_it():
    """The wait is no news, but what comes of it is."""
    waiting = settled(facts(**THERE))
    failed = replace(waiting, scaled_objects=(our(ready="False"),))
    assert ["ScaledObjectNotReady"] == told(plan(failed, LATER))
    assert [] == told(plan(replace(waiting, scaled_objects=(our(),)), LATER))


@pytest.mark.parametrize(
    ("demand", "text"),
    [
        (None, "no hold server is heard from"),
        (asleep(complete=False, reported=False), "before the mesh's first request"),
        (asleep(complete=False), "once each has been heard from for 20 s"),
        (asleep(settled=84.0), "; hold servers can answer, and KEDA asks again every 5 s"),
    ],
)
def test_what_fails_for_want_of_an_answer_is_waited_for(demand, text):
    """It is the same for all TrafficHolds, and no warning of any of them."""
    made = plan(facts(**THERE, scaled_objects=(unanswered(),), demand=demand), NOW)
    assert ScalerReady.SCALED_OBJECT_PENDING == reasons(made)["ScalerReady"]
    assert f"KEDA says of ScaledObject layby-cart: {NO_ANSWER}; " in says(made)
    assert text in says(made)
    assert [] == told(made)
    assert made.again_after, "nobody tells when it is over"


@pytest.mark.parametrize(
    ("was", "later", "expected"),
    [
        ("True", 84.0, ScalerReady.KEDA),
        ("True", 85.0, ScalerReady.SCALED_OBJECT_NOT_READY),
        ("False", 0.0, ScalerReady.SCALED_OBJECT_NOT_READY),
    ],
)
def test_a_hold_server_that_comes_or_goes_leaves_what_was_said(was, later, expected):
    """For 20 s KEDA gets no answer, asks again after its interval, and takes time to say so."""
    first = our(ready=was, message=NO_ANSWER)
    before = settled(replace(stamped(), scaled_objects=(first,), demand=IDLE))
    after = replace(before, scaled_objects=(unanswered(),), demand=asleep(settled=later))
    made = plan(after, LATER)
    status = made.status or after.hold.status
    assert expected == {each.type: each.reason for each in status.conditions}["ScalerReady"]
    assert (None if later >= 85.0 else 85.0 - later) == made.again_after
    assert (["ScaledObjectNotReady"] if later >= 85.0 else []) == told(made)


@pytest.mark.parametrize("demand", [None, asleep(complete=False), asleep(settled=1.0)])
@pytest.mark.parametrize(
    ("status", "message", "excused"),
    [
        ("False", NO_ANSWER, True),
        ("Unknown", SOME, True),
        ("False", NO_SPECS, True),
        ("False", NO_SECRET, False),
        ("False", NO_COUNT, False),
    ],
)
@pytest.mark.parametrize("was", ["True", ""])
def test_only_the_want_of_an_answer_is_put_down_to_hold_servers(
    demand, status, message, excused, was
):
    """What else KEDA fails at a rollout has not caused, and would hide for 85 s."""
    before = settled(replace(stamped(), scaled_objects=(our(ready=was),), demand=IDLE))
    now = our(ready=status, message=message)
    made = plan(replace(before, scaled_objects=(now,), demand=demand), LATER)
    found = {each.type: each for each in (made.status or before.hold.status).conditions}
    scaler = found["ScalerReady"]
    assert excused is (scaler.reason != ScalerReady.SCALED_OBJECT_NOT_READY)
    assert excused or f"KEDA says of ScaledObject layby-cart: {message}" == scaler.message
    assert ([] if excused else ["ScaledObjectNotReady"]) == told(made)


def test_a_slow_poll_is_waited_for():
    """A ScaledObject of a user's without pollingInterval is looked at every 30 s."""
    before = adopted(demand=asleep(in_flight=1))
    (so,) = (replace(each, ready=Verdict("False", NO_ANSWER)) for each in before.scaled_objects)
    demand = asleep(in_flight=1, settled=109.0)
    after = replace(before, scaled_objects=(so,), demand=demand)
    assert (None, 1.0) == (plan(after, LATER).status, plan(after, LATER).again_after)


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({}, Phase.WARM),
        ({"demand": IDLE}, Phase.IDLE),
        ({"demand": IDLE, "up_for": 1.0}, Phase.WARM),
        ({"demand": IDLE, "scaled_objects": (our(active="True"),)}, Phase.WARM),
        ({"demand": IDLE, "scaled_objects": (our(ready="False"),)}, Phase.WARM),
        ({"replicas": 0, "ready_endpoints": 0, "demand": IDLE}, Phase.ZERO),
        ({"replicas": 0, "ready_endpoints": 0, "demand": asleep(pending=1)}, Phase.WAKING),
        ({"ready_endpoints": 0}, Phase.WAKING),
    ],
)
def test_the_phase_is_as_if_layby_did_it(change, phase):
    """But what another trigger keeps up is not about to sleep."""
    made = plan(facts(**{**THERE, "scaled_objects": (our(),), **change}), NOW)
    assert made.status
    assert phase == made.status.phase


@pytest.mark.parametrize(
    ("spec", "expected", "text"),
    [
        ({}, ScalerReady.KEDA_ADOPTED, "with Layby's trigger added"),
        ({"minReplicaCount": 1}, ScalerReady.NEVER_SLEEPS, "keeps 1 replicas at least"),
        (
            {"advanced": {"scalingModifiers": {"formula": "layby_x + a"}}},
            ScalerReady.AUTOSCALER_CONFLICT,
            "add the value of the trigger layby to the formula",
        ),
        (
            {"advanced": {"scalingModifiers": {"formula": "max(layby, a)"}}},
            ScalerReady.KEDA_ADOPTED,
            "",
        ),
    ],
)
def test_what_of_a_user_s_keeps_the_workload_up_or_down_is_said(spec, expected, text):
    """It is theirs to decide, but they have to know."""
    made = plan(facts(**user_s(spec=spec), demand=IDLE), NOW)
    assert expected == reasons(made)["ScalerReady"]
    assert text in says(made)
    phase = Phase.IDLE if expected is ScalerReady.KEDA_ADOPTED else Phase.WARM
    assert made.status
    assert phase == made.status.phase
