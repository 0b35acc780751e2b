"""The controller of some namespaces: what it serves, and what it never asks for."""

import re

import pytest

from controller.facts import FINALIZER, Keda
from controller.rule import MANAGED_BY, MANAGER
from crds.v1alpha1.holdpolicy import POLICY_LABEL
from kube.errors import refused
from kube.resource import DEPLOYMENTS, DESTINATION_RULES, SCALED_OBJECTS, TRAFFIC_HOLDS
from tests.controller.conftest import Running
from tests.controller.looking import begin, cart, reason, replicas
from tests.controller.objects import definition, hold, policy, rule
from tests.kube.fake_api import status as refusal

pytestmark = pytest.mark.looptime

WATCHED = frozenset({"shop", "till"})
OWN, ROOT = "layby-system", "istio-system"


@pytest.fixture
async def running(cluster):
    """A controller of two namespaces that has not begun yet."""
    running = Running(cluster, watch_namespaces=WATCHED)
    yield running
    await running.stop()


@pytest.fixture
async def second(cluster):
    """Another replica, which has not begun yet."""
    second = Running(cluster, watch_namespaces=WATCHED, identity="second")
    yield second
    await second.stop()


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


@pytest.mark.parametrize("is_new", [False, True], ids=["that waited", "that begins"])
async def test_a_new_leader_undoes_nothing_for_want_of_a_role_elsewhere(running, second, is_new):
    """Helm takes away a namespace's Role while the pods before are still there."""
    cluster = running.cluster
    for namespace in WATCHED:
        cluster.have(*moved(namespace, *cart()))
        running.demand.say("cart", namespace=namespace, quiet=3600.0)
    await begin(running)
    await running.settle(310.0)
    if not is_new:
        second.start()
        await second.settle(30.0)
    cluster.forbidden = {"till"}
    cluster.cut()
    if is_new:
        second.start()
    await running.stop()
    cluster.writes.clear()
    await second.settle(60.0)
    assert second.leads
    assert second.controller.informers.synced
    for namespace in WATCHED:
        found = cluster.find(TRAFFIC_HOLDS, "cart", namespace)
        assert [FINALIZER] == found["metadata"]["finalizers"]
        assert "Accepted" == found["status"]["conditions"][0]["reason"]
        assert 0 == cluster.find(DEPLOYMENTS, "cart", namespace)["spec"]["replicas"]
        assert cluster.find(DESTINATION_RULES, "layby-cart", namespace)
    assert not {each for each in cluster.writes if "trafficholds/status" not in each}

    cluster.forbidden = set()
    await second.settle(30.0)
    for namespace in WATCHED:
        cluster.delete(cluster.find(TRAFFIC_HOLDS, "cart", namespace))
    await second.settle(1.0)
    rousing = [cluster.find(DEPLOYMENTS, "cart", each)["spec"]["replicas"] for each in WATCHED]
    assert [1, 1] == rousing, "it is followed again"


async def test_a_new_leader_knows_the_scaled_objects_of_the_others(running, second):
    """KEDA would have to be told of all that sleeps by it once more."""
    cluster = running.cluster
    await begin(running, definition(), *cart())
    before = cluster.find(SCALED_OBJECTS, "layby-cart")
    cluster.forbidden = {"till"}
    second.start()
    await running.stop()
    cluster.writes.clear()
    await second.settle(60.0)
    assert second.leads
    keda = second.controller.informers.keda
    assert [Keda.THERE, Keda.UNSEEN] == [keda.presence_in(each) for each in ("shop", "till")]
    assert "Forbidden" in keda.trouble_in("till")
    assert before == cluster.find(SCALED_OBJECTS, "layby-cart")
    assert "Accepted" == reason(cluster, "Accepted")
    cluster.forbidden = set()
    await second.settle(30.0)
    assert Keda.THERE is keda.presence_in("till")


async def test_what_is_half_seen_is_left_as_it_is(running, second):
    """Somebody edits a Role, and a Service that is not seen is not gone."""
    cluster = running.cluster
    for namespace in WATCHED:
        cluster.have(*moved(namespace, *cart()))
    await begin(running)
    real = cluster.send

    async def send(request):
        if request.path.endswith("/till/services"):
            raise refused(refusal(403, "Forbidden", "no"))
        return await real(request)

    cluster.send = send
    second.start()
    await running.stop()
    await second.settle(60.0)
    assert second.leads
    found = cluster.find(TRAFFIC_HOLDS, "cart", "till")
    assert [FINALIZER] == found["metadata"]["finalizers"]
    assert "Accepted" == found["status"]["conditions"][0]["reason"]
    assert cluster.find(DESTINATION_RULES, "layby-cart", "till")


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
