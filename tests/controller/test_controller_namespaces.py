"""The controller of some namespaces: what it serves, and what it never asks for."""

import re

import pytest

from controller.rule import MANAGED_BY, MANAGER
from crds.v1alpha1.holdpolicy import POLICY_LABEL
from kube.resource import DEPLOYMENTS, DESTINATION_RULES, SCALED_OBJECTS, TRAFFIC_HOLDS
from tests.controller.conftest import Running
from tests.controller.looking import begin, cart, reason, replicas
from tests.controller.objects import definition, hold, policy, rule

pytestmark = pytest.mark.looptime

WATCHED = frozenset({"shop", "till"})
OWN, ROOT = "layby-system", "istio-system"


@pytest.fixture
async def running(cluster):
    """A controller of two namespaces that has not begun yet."""
    running = Running(cluster, watch_namespaces=WATCHED)
    yield running
    await running.stop()


def moved(namespace, *items):
    """Return the same in another namespace."""
    return [
        {**item, "metadata": {**item["metadata"], "namespace": namespace, "uid": namespace}}
        for item in items
    ]


async def test_each_of_its_namespaces_is_served_and_no_other(running):
    """Another Layby may serve the others, or nobody."""
    cluster = running.cluster
    for namespace in (*WATCHED, "other"):
        cluster.have(*moved(namespace, *cart()))
    await begin(running)
    assert "Ready" == reason(cluster, "Ready")
    status = {
        namespace: cluster.find(TRAFFIC_HOLDS, "cart", namespace)["status"]
        for namespace in (*WATCHED, "other")
    }
    assert {} == status.pop("other")
    assert ["Warm", "Warm"] == [each["phase"] for each in status.values()]
    assert cluster.find(DESTINATION_RULES, "layby-cart", "till")
    assert cluster.find(DESTINATION_RULES, "layby-cart", "other") is None
    running.demand.say("cart", namespace="till", quiet=3600.0)
    running.demand.say("cart", namespace="other", quiet=3600.0)
    await running.settle(310.0)
    assert 0 == cluster.find(DEPLOYMENTS, "cart", "till")["spec"]["replicas"]
    assert 1 == cluster.find(DEPLOYMENTS, "cart", "other")["spec"]["replicas"]
    await running.settle(600.0)
    cluster.writes.clear()
    await running.settle(600.0)
    assert {} == cluster.writes


async def test_it_asks_for_nothing_that_roles_in_its_namespaces_do_not_cover(running):
    """One request that is refused for good, and it would never be ready."""
    cluster = running.cluster
    await begin(running, definition(), *cart(), policy())
    assert cluster.find(SCALED_OBJECTS, "layby-cart")
    assert running.controller.informers.synced
    asked = {request.path for request in cluster.asked}
    outside = {path for path in asked if not re.search("/namespaces/(shop|till)/", path)}
    discovery = {path for path in outside if re.fullmatch(r"/api/v1|/apis/[^/]+/[^/]+", path)}
    assert {
        f"/apis/networking.istio.io/v1/namespaces/{ROOT}/destinationrules",
        f"/apis/networking.istio.io/v1alpha3/namespaces/{ROOT}/envoyfilters",
        f"/apis/networking.istio.io/v1alpha3/namespaces/{ROOT}/envoyfilters/layby",
        f"/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases",
        f"/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases/layby-controller",
    } == outside - discovery


async def test_what_a_policy_has_made_is_left_as_it_is(running):
    """No policy is seen; that none were there would be another thing to conclude."""
    owner = {"apiVersion": "layby.dev/v1alpha1", "kind": "HoldPolicy", "name": "all", "uid": "x"}
    labels = {MANAGED_BY: MANAGER, POLICY_LABEL: "all"}
    child = hold(labels=labels, ownerReferences=[owner])
    await begin(running, *cart()[:-1], child)
    await running.settle(600.0)
    assert "Ready" == reason(running.cluster, "Ready")
    assert 1 == replicas(running.cluster)


async def test_a_rule_for_the_whole_mesh_is_not_taken_the_place_of(running):
    """It is in the root namespace, and ours would be found before it."""
    policy = {"connectionPool": {"http": {"maxRetries": 1}}}
    spec = {"trafficPolicy": policy}
    everywhere = rule("all", namespace=ROOT, host="*.local", spec=spec)
    await begin(running, *cart(), everywhere)
    assert ["all"] == running.cluster.names(DESTINATION_RULES)
    assert "NotReadyCounted" == reason(running.cluster, "Attached")
