import pytest

from controller.policy import Scene, child_name, plan_policies
from controller.workload import TargetKey, Workload
from tests.controller.objects import deployment, namespace
from tests.controller.scenes import ALL, NOW, PROD, children, policy, scene

FALSE = {"layby.dev/hold": "false"}


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
