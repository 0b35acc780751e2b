from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.policy import PolicyPlan, Scene, child_name, is_child, plan_policies
from controller.workload import KindKey, TargetKey, Workload
from crds.v1alpha1 import HoldPolicy
from tests.controller import objects
from tests.controller.objects import deployment, hold, namespace

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALL: Mapping[str, Any] = {"namespaceSelector": {}, "selector": {}}
PROD = {"namespaceSelector": {"matchLabels": {"env": "prod"}}, "selector": {}}
FALSE = {"layby.dev/hold": "false"}
CART = Workload.read(deployment())


def policy(name="all", spec=ALL, **metadata) -> HoldPolicy:
    return HoldPolicy.parse(objects.policy(name, spec=spec, **metadata))


def scene(
    *policies: HoldPolicy,
    workloads: Iterable[Workload] = (CART,),
    holds: Iterable[Any] = (),
    space: Any = None,
    **more: Any,
) -> Scene:
    return Scene(
        policies=policies or (policy(),),
        namespaces={"shop": space or namespace()},
        workloads=tuple(workloads),
        holds=tuple(holds),
        **more,
    )


def children(made: PolicyPlan) -> dict[str, str]:
    """Return the TrafficHolds that are applied, and whose they are."""
    return {
        item["metadata"]["name"]: item["metadata"]["labels"]["layby.dev/policy"]
        for item in made.apply
    }


def with_uid(item: Any, uid: str) -> Any:
    """Return an object as it is once it has been applied."""
    return {**item, "metadata": {**item["metadata"], "uid": uid}}


def settled(before: Scene) -> Scene:
    """Return the scene after a plan has been carried out."""
    made = plan_policies(before, NOW)
    gone = {removal.uid for removal in made.delete}
    applied = {item["metadata"]["name"]: with_uid(item, "uid") for item in made.apply}
    kept = [
        item
        for item in before.holds
        if item["metadata"]["uid"] not in gone and item["metadata"]["name"] not in applied
    ]
    statuses = {each.metadata.name: status for each, status in made.statuses}
    return Scene(
        policies=[
            each.model_copy(update={"status": statuses.get(each.metadata.name, each.status)})
            for each in before.policies
        ],
        namespaces=before.namespaces,
        workloads=before.workloads,
        holds=[*kept, *applied.values()],
        protected=before.protected,
        unread=before.unread,
        unseen=before.unseen,
    )


def child(of="all", **more):
    """Return the TrafficHold that a policy has made for cart."""
    return with_uid(plan_policies(scene(policy(of)), NOW).apply[0], "uid-of-child") | more


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


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (scene(), {"cart": "all"}),
        (scene(policy(spec=PROD)), {}),
        (scene(policy(spec=PROD), space=namespace(labels={"env": "prod"})), {"cart": "all"}),
        (scene(policy(spec={**ALL, "selector": {"matchLabels": {"sleep": "yes"}}})), {}),
        (
            scene(
                policy(spec={**ALL, "selector": {"matchLabels": {"sleep": "yes"}}}),
                workloads=[Workload.read(deployment(labels={"sleep": "yes"}))],
            ),
            {"cart": "all"},
        ),
        # It is the workload's own labels that count, not those of its pods.
        (
            scene(
                policy(spec={**ALL, "selector": {"matchLabels": {"sleep": "yes"}}}),
                workloads=[Workload.read(deployment(pod={"sleep": "yes"}))],
            ),
            {},
        ),
        (
            scene(workloads=[Workload.read(deployment(kind="StatefulSet"))]),
            {"cart-statefulset": "all"},
        ),
        (scene(workloads=[Workload.read(deployment(kind="ReplicaSet"))]), {}),
        (
            scene(
                policy(spec={**ALL, "kinds": [{"apiVersion": "apps/v1", "kind": "StatefulSet"}]})
            ),
            {},
        ),
        # What never sleeps by a policy.
        (scene(workloads=[Workload.read(deployment(annotations=FALSE))]), {}),
        (scene(space=namespace(annotations=FALSE)), {}),
        (scene(space=namespace(deletionTimestamp="2026-01-01T00:00:00Z")), {}),
        (scene(protected=frozenset({"shop"})), {}),
        (scene(workloads=[Workload.read(deployment(namespace="kube-system"))]), {}),
        (
            scene(
                workloads=[
                    Workload.read(deployment(pod_notes={"inject.istio.io/templates": "gateway"}))
                ]
            ),
            {},
        ),
        (
            scene(
                workloads=[
                    Workload.read(deployment(pod={"gateway.networking.k8s.io/gateway-name": "g"}))
                ]
            ),
            {},
        ),
    ],
)
def test_a_policy_holds_what_it_selects(before, expected):
    """An empty selector is all, which makes what is left out all the more important."""
    assert expected == children(plan_policies(before, NOW))


def test_namespaces_of_kubernetes_are_left_alone():
    """A cluster whose DNS sleeps wakes nothing any more."""
    dns = Workload.read(deployment("coredns", namespace="kube-system"))
    before = scene(workloads=[dns])
    spaces = {"kube-system": namespace("kube-system")}
    assert {} == children(plan_policies(Scene(before.policies, spaces, [dns], []), NOW))


@pytest.mark.parametrize(
    ("policies", "winner"),
    [
        ([policy("b"), policy("a")], "a"),
        ([policy("a"), policy("b", {**ALL, "priority": 1})], "b"),
        ([policy("a"), policy("b", creationTimestamp="2025-01-01T00:00:00Z")], "b"),
        (
            [
                policy("a", {**ALL, "priority": -1}, creationTimestamp="2025-01-01T00:00:00Z"),
                policy("b"),
            ],
            "b",
        ),
        ([policy("a", deletionTimestamp="2026-01-01T00:00:00Z"), policy("b")], "b"),
        ([policy("a", PROD), policy("b")], "b"),
    ],
)
def test_of_several_policies_one_has_the_workload(policies, winner):
    """The highest priority, then the oldest, then the first by name."""
    assert {"cart": winner} == children(plan_policies(scene(*policies), NOW))


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


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (TargetKey("apps", "Deployment", "shop", "cart"), "cart"),
        (TargetKey("apps", "StatefulSet", "shop", "cart"), "cart-statefulset"),
        (TargetKey("argoproj.io", "Rollout", "shop", "cart"), "cart-rollout"),
        (TargetKey("example.org", "Deployment", "shop", "cart"), "cart-deployment"),
    ],
)
def test_children_are_called_like_their_workloads(target, expected):
    """People look for the name that they know."""
    assert expected == child_name(target)
    assert 253 >= len(child_name(target._replace(name="x" * 253, kind="K" * 63, group="g")))
