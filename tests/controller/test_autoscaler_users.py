"""What becomes of a ScaledObject that is a user's."""

from dataclasses import replace

import pytest

from controller.plan import plan
from controller.scaled_object import ScaledObject
from controller.steps import Removal
from crds.condition import ScalerReady
from kube.resource import SCALED_OBJECTS
from tests.controller.objects import (
    facts,
    read_hold,
    read_scaled_object,
    scaled_object,
)
from tests.controller.plans import (
    DIRECT,
    GONE,
    LATER,
    NOW,
    merged,
    reasons,
    settled,
)
from tests.controller.scaled import (
    DRY,
    KEY,
    NO_SERVICE,
    THERE,
    adopted,
    our,
    says,
    stamped,
    user_s,
    writes,
)


def test_a_user_s_gets_the_trigger():
    """And nobody has to give up what they have."""
    made = plan(facts(**user_s()), NOW)
    assert [("cart", True)] == writes(made)
    assert made.finalizer is True
    assert made.write[0].told
    assert ("ScaledObjectAdopted", False) == made.write[0].told[::2]
    assert ScalerReady.KEDA_ADOPTED == reasons(made)["ScalerReady"]
    drifted = merged(adopted().scaled_objects[0].item, {"spec": {"triggers": [{}]}})
    again = plan(facts(**THERE, scaled_objects=(ScaledObject.read(drifted),)), NOW)
    assert [None] == [each.told for each in again.write], "what is put right again is no news"


def test_two_of_a_user_s_are_a_conflict_and_left_as_they_are():
    """Even the one that has the trigger already."""
    two = (*adopted().scaled_objects, read_scaled_object("other"))
    made = plan(facts(**THERE, scaled_objects=two, has_finalizer=True), NOW)
    assert ([], None) == (writes(made), made.finalizer)
    assert "ScaledObject cart and ScaledObject other scale the same target" in says(made)


def test_a_user_s_that_comes_later_takes_the_place_of_ours():
    """Once ours is gone: KEDA's admission takes no second one for a target."""
    both = (*stamped().scaled_objects, read_scaled_object())
    made = plan(facts(**THERE, scaled_objects=both, has_finalizer=True), NOW)
    assert ([Removal(KEY, "uid-of-ours", SCALED_OBJECTS)], []) == (list(made.delete), writes(made))
    ending = (our(deletionTimestamp="2026-01-01T00:00:00Z"), read_scaled_object())
    waits = plan(facts(**THERE, scaled_objects=ending, has_finalizer=True), NOW)
    assert ((), []) == (waits.delete, writes(waits))
    assert "ScaledObject layby-cart has to go first" in says(waits)


@pytest.mark.parametrize("change", [{"hold": DIRECT}, {"hold": DRY}, NO_SERVICE, {"target": GONE}])
def test_a_user_s_is_put_back_when_layby_has_no_use_for_it(change):
    """And if it is the workload that has gone: what is left behind must not say what is not so."""
    before = replace(adopted(), has_finalizer=True, **change)
    made = plan(before, NOW)
    assert [("cart", True)] == writes(made)
    assert made.write[0].told
    assert "ScaledObjectReleased" == made.write[0].told.reason
    assert made.finalizer is None
    after = settled(before)
    assert scaled_object()["spec"] == after.scaled_objects[0].item["spec"]
    expected = None if change == {"hold": DIRECT} else False
    assert expected is plan(after, LATER).finalizer, "requests may be held all the same"


def test_a_user_s_that_scales_something_else_now_is_put_back():
    """And ours is made in its place."""
    moved = merged(adopted().scaled_objects[0].item, {"spec": {"scaleTargetRef": {"name": "b"}}})
    made = plan(facts(**THERE, scaled_objects=(ScaledObject.read(moved),)), NOW)
    assert [("layby-cart", False), ("cart", True)] == writes(made)


def test_the_one_that_comes_into_its_own_takes_over_what_is_noted():
    """What it said before anybody touched it is still to be put back."""
    heir = read_hold("heir", spec={"idle": {"after": "60s"}})
    spec = {"idle": {"after": "90s"}}
    before = adopted(of={"spec": {"cooldownPeriod": 120}}, hold=read_hold(spec=spec))
    after = settled(replace(before, hold=heir))
    back = settled(replace(after, hold=read_hold("heir", spec={"dryRun": True})))
    assert 60 == after.scaled_objects[0].item["spec"]["cooldownPeriod"]
    assert 120 == back.scaled_objects[0].item["spec"]["cooldownPeriod"]
