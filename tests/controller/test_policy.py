from datetime import timedelta

import pytest

from controller.policy import is_child, plan_policies
from controller.workload import KindKey, Workload
from tests.controller.objects import deployment, hold
from tests.controller.scenes import ALL, NOW, PROD, child, children, policy, scene, settled


@pytest.mark.parametrize(
    "before",
    [
        scene(),
        scene(policy("a"), policy("b", PROD)),
        scene(workloads=[]),
        scene(holds=[hold("mine")]),
        scene(holds=[child()]),
        scene(holds=[hold("cart", target="other")]),
    ],
)
def test_steady_state_writes_nothing(before):
    """It is looked at whenever any workload's labels change."""
    assert plan_policies(settled(before), NOW + timedelta(hours=1)).is_empty


def test_a_traffic_hold_written_by_hand_always_wins():
    """Whatever it is called. One that a policy has made for the same workload goes."""
    assert {} == children(plan_policies(scene(holds=[hold("mine")]), NOW))
    made = plan_policies(scene(holds=[hold("mine"), child()]), NOW)
    assert ["uid-of-child"] == [removal.uid for removal in made.delete]


def test_children_follow_the_labels_both_ways():
    """What is selected no more is held no more."""
    selective = policy(spec={**ALL, "selector": {"matchLabels": {"sleep": "yes"}}})
    chosen = [Workload.read(deployment(labels={"sleep": "yes"}))]
    held = settled(scene(selective, workloads=chosen))
    assert 1 == len(held.holds)
    left = settled(scene(selective, holds=held.holds))
    assert [] == left.holds


def test_a_workload_goes_over_to_another_policy_as_it_is():
    """Deleting its TrafficHold would wake it."""
    better = policy("b", {**ALL, "priority": 1})
    made = plan_policies(scene(policy("all"), better, holds=[child("all")]), NOW)
    assert {"cart": "b"} == children(made)
    assert () == made.delete
    (owner,) = made.apply[0]["metadata"]["ownerReferences"]
    assert ("HoldPolicy", "b") == (owner["kind"], owner["name"])


def test_a_changed_template_reaches_all_children():
    """And only what the template says: the target is the workload's."""
    spec = {**ALL, "template": {"spec": {"idle": {"after": "1h"}}}}
    made = plan_policies(scene(policy(spec=spec), holds=[child()]), NOW)
    (item,) = made.apply
    assert "1h" == item["spec"]["idle"]["after"]
    assert {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"} == (
        item["spec"]["targetRef"]
    )


def test_what_others_add_to_a_child_stays():
    """Steady state must not depend on being the only one who writes."""
    labelled = child()
    labelled["metadata"]["labels"]["team"] = "shop"
    labelled["metadata"]["finalizers"] = ["layby.dev/wake"]
    assert () == plan_policies(scene(holds=[labelled]), NOW).apply


def test_a_name_that_is_taken_is_told():
    """The workload has no TrafficHold, and somebody has to know."""
    made = plan_policies(scene(holds=[hold("cart", target="other")]), NOW)
    assert () == made.apply
    ((_, status),) = made.statuses
    ready = status.conditions[1]
    assert ("False", "Partial", 0) == (ready.status, ready.reason, status.matched)
    assert "rename shop/cart" in ready.message


def test_how_many_workloads_are_held_is_told():
    """For each policy those that it has, not those that it would have."""
    workloads = [Workload.read(deployment(f"w{n}")) for n in range(3)]
    chosen = Workload.read(deployment("w9", labels={"sleep": "yes"}))
    better = policy("b", {**ALL, "priority": 1, "selector": {"matchLabels": {"sleep": "yes"}}})
    made = plan_policies(scene(policy("a"), better, workloads=[*workloads, chosen]), NOW)
    assert {"a": 3, "b": 1} == {each.metadata.name: s.matched for each, s in made.statuses}


@pytest.mark.parametrize(
    "doubt",
    [{"unseen": frozenset({KindKey("apps", "Deployment")})}, {"unread": frozenset({"all"})}],
)
def test_in_doubt_children_stay(doubt):
    """Deleting the TrafficHolds of a whole cluster wakes a whole cluster."""
    before = scene(policy("other", PROD), workloads=[], holds=[child()], **doubt)
    assert () == plan_policies(before, NOW).delete


@pytest.mark.parametrize(
    "item",
    [
        hold("cart"),
        hold("cart", labels={"layby.dev/policy": "all"}),
        hold("cart", labels={"layby.dev/policy": "all", "layby.dev/managed-by": "layby"}),
        hold(
            "cart",
            ownerReferences=[
                {"apiVersion": "layby.dev/v1alpha1", "kind": "HoldPolicy", "uid": "1"}
            ],
        ),
        {**child(), "metadata": {**child()["metadata"], "deletionTimestamp": "now"}},
    ],
)
def test_what_is_not_ours_is_left_alone(item):
    """Neither a label nor an owner alone makes a TrafficHold ours to delete; nor is it twice."""
    assert () == plan_policies(scene(workloads=[], holds=[item]), NOW).delete


def test_a_child_is_known_by_its_labels_and_its_owner():
    """Whoever takes both off has it as one's own."""
    assert is_child(child())
