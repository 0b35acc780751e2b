import pytest

from controller.workload import TargetKey, Workload, by_pod_label, trim
from tests.controller.objects import deployment

CONTROLLED = [{"kind": "Deployment", "controller": True}]


@pytest.mark.parametrize(
    "item",
    [
        deployment(replicas=3, labels={"a": "b"}, annotations={"layby.dev/hold": "false"}),
        deployment(pod_notes={"inject.istio.io/templates": "gateway", "big": "x" * 9999}),
        deployment(kind="ReplicaSet", ownerReferences=CONTROLLED),
        {"apiVersion": "example.org/v1", "kind": "Mill", "metadata": {"name": "m"}, "spec": {}},
    ],
)
def test_trimming_changes_nothing_that_is_read(item):
    """Ten thousand pod templates would fill the memory."""
    assert Workload.read(item) == Workload.read(trim(item))
    assert len(str(trim(item))) < 800


def test_what_its_pods_request_survives_the_trimming():
    """What is saved while it sleeps is estimated by it."""
    item = deployment()
    containers = [{"name": "app", "env": ["x" * 9999], "resources": {"requests": {"cpu": "250m"}}}]
    sidecar = {"name": "proxy", "restartPolicy": "Always", "resources": {"limits": {"cpu": "1"}}}
    item["spec"]["template"]["spec"] = {
        "containers": containers,
        "initContainers": [sidecar],
        "overhead": {"cpu": "0.5"},
    }
    assert 1.75 == Workload.read(item).cores == Workload.read(trim(item)).cores
    assert len(str(trim(item))) < 800
    assert 0.0 == Workload.read(deployment()).cores


def test_what_a_kind_of_one_s_own_does_not_say_is_not_guessed():
    """Its scale tells, wherever it keeps its replicas."""
    mill = Workload.read(
        {"apiVersion": "example.org/v1", "kind": "Mill", "metadata": {"name": "m"}}
    )
    assert (None, None) == (mill.replicas, mill.pod_labels)
    assert TargetKey("example.org", "Mill", "", "m") == mill.key


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (deployment(), False),
        (deployment(pod_notes={"inject.istio.io/templates": "grpc-agent, gateway"}), True),
        (deployment(pod_notes={"inject.istio.io/templates": "sidecar"}), False),
        (deployment(pod={"gateway.istio.io/managed": "istio.io-gateway-controller"}), True),
    ],
)
def test_a_gateway_is_known_for_one(item, expected):
    """No request could be parked before it."""
    assert expected is Workload.read(item).is_gateway


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ([], False),
        (CONTROLLED, True),
        ([{"kind": "Deployment"}], False),
        ([{"kind": "App"}], False),
    ],
)
def test_a_part_of_another_workload_is_known_for_one(owners, expected):
    """Scaling it would be undone at once."""
    assert expected is Workload.read(deployment(ownerReferences=owners)).is_part


def test_workloads_are_found_by_their_pods_labels():
    item = deployment(pod={"app": "cart", "tier": "web"})
    assert [("shop", "app", "cart"), ("shop", "tier", "web")] == by_pod_label(item)
