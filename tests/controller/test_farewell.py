"""What is undone where KEDA has scaled. Without KEDA: test_plan.py."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.facts import Keda
from controller.plan import plan
from controller.steps import Removal
from crds.condition import Ready
from kube.resource import SCALED_OBJECTS
from tests.controller.objects import (
    asleep,
    facts,
)
from tests.controller.plans import (
    DELETED,
    GONE,
    IDLE,
    NOW,
    WINNER,
    reasons,
    settled,
)
from tests.controller.scaled import (
    KEY,
    THERE,
    adopted,
    stamped,
    writes,
)

GOING = {**DELETED, **THERE}


def test_ours_goes_before_its_traffic_hold_and_the_workload_is_woken():
    """KEDA, if it goes on, would put it to sleep again."""
    ours = stamped().scaled_objects
    zero = facts(**GOING, scaled_objects=ours, replicas=0, ready_endpoints=0)
    made = plan(zero, NOW)
    assert [Removal(KEY, "uid-of-ours", SCALED_OBJECTS)] == list(made.delete)
    assert made.scale
    assert (1, None) == (made.scale.desired, made.finalizer)
    assert Ready.TERMINATING == reasons(made)["Ready"]
    up = replace(zero, replicas=1, ready_endpoints=1)
    assert plan(up, NOW).finalizer is None, "KEDA has not let go yet"
    assert plan(replace(up, scaled_objects=()), NOW).finalizer is False
    late = plan(up, NOW + timedelta(minutes=1))
    assert late.finalizer is False, "nor does it have to, if it is not there any more"


def test_a_user_s_is_put_back_before_the_traffic_hold_goes():
    """And what becomes of the workload is theirs to decide."""
    before = facts(**GOING, scaled_objects=adopted().scaled_objects, replicas=0, demand=IDLE)
    made = plan(before, NOW)
    assert ([("cart", True)], None, None) == (writes(made), made.scale, made.finalizer)
    assert plan(settled(before), NOW).finalizer is False


def test_requests_that_wait_are_served_before_a_user_s_is_put_back():
    """KEDA would put to sleep what is starting for them. But not longer than they would wait."""
    waits = facts(
        **GOING,
        scaled_objects=adopted().scaled_objects,
        replicas=1,
        ready_endpoints=0,
        demand=asleep(pending=1),
    )
    assert ([], None) == (writes(plan(waits, NOW)), plan(waits, NOW).finalizer)
    assert [("cart", True)] == writes(plan(replace(waits, ready_endpoints=1), NOW))
    late = plan(waits, NOW + timedelta(minutes=1))
    assert ([("cart", True)], False) == (writes(late), late.finalizer)


def test_what_cannot_be_put_back_does_not_keep_a_traffic_hold():
    """It is told, and its owner has to see to it."""
    before = facts(**GOING, scaled_objects=adopted().scaled_objects)
    (write,) = plan(before, NOW).write
    refused = replace(before, rejections={write.digest: "no"})
    assert plan(refused, NOW).finalizer is False


@pytest.mark.parametrize("change", [{"target": GONE}, {"loss": WINNER}, {"scale_refused": "no"}])
def test_where_there_is_nothing_to_wake_only_the_rest_is_undone(change):
    """The TrafficHold goes as soon as that is done."""
    before = facts(**GOING, scaled_objects=stamped().scaled_objects, replicas=0, **change)
    made = plan(before, NOW)
    assert (1, None, None) == (len(made.delete), made.scale, made.finalizer)
    assert plan(replace(before, scaled_objects=()), NOW).finalizer is False


def test_what_is_not_known_is_waited_for_as_long_as_a_request_would_be():
    """A ScaledObject may have to be put back."""
    before = facts(**{**GOING, "keda": Keda.UNSEEN})
    assert plan(before, NOW).finalizer is None
    assert plan(before, NOW + timedelta(minutes=1)).finalizer is False
    gone = facts(**{**GOING, "keda": Keda.ABSENT})
    assert plan(gone, NOW).finalizer is False
