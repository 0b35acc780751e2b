"""The controller with policies, and several controllers."""

import pytest

from controller.policy_reconciler import GRACE_SECONDS
from kube.errors import refused
from kube.resource import DEPLOYMENTS, HOLD_POLICIES, TRAFFIC_HOLDS
from tests.controller.looking import begin, reason
from tests.controller.objects import deployment, endpoints, hold, namespace, policy, service
from tests.kube.fake_api import status as refusal

pytestmark = pytest.mark.looptime

CART, TILL = (deployment(), service(), endpoints()), (deployment("till"), service("till"))


def status(cluster, name="all"):
    return cluster.find(HOLD_POLICIES, name, "")["status"]


async def test_a_policy_makes_traffic_holds_and_they_work(running):
    """One object for a whole cluster."""
    await begin(running, *CART, *TILL, deployment("worker"), policy())
    cluster = running.cluster
    assert ["cart", "till"] == cluster.names(TRAFFIC_HOLDS), "nobody could ask a worker"
    assert 2 == status(cluster)["matched"]
    assert "Warm" == cluster.find(TRAFFIC_HOLDS, "cart")["status"]["phase"]
    await running.settle(600.0)
    assert {} == cluster.writes


async def test_its_children_follow_labels_and_services_both_ways(running):
    """Of the namespace and of the workload; and what nobody can ask needs no hold."""
    selector = {"matchLabels": {"sleep": "yes"}}
    spec = {"namespaceSelector": selector, "selector": selector}
    await begin(running, *CART, policy(spec=spec))
    cluster = running.cluster
    asleep = {"labels": {"sleep": "yes"}}
    steps = [
        (deployment(**asleep), []),
        (namespace(**asleep), ["cart"]),
        (deployment(), []),
        (deployment(**asleep), ["cart"]),
        (namespace(), []),
        (namespace(**asleep), ["cart"]),
    ]
    for item, expected in steps:
        cluster.have(item)
        await running.settle()
        assert expected == cluster.names(TRAFFIC_HOLDS)
    cluster.lose(service())
    await running.settle(GRACE_SECONDS + 1)
    assert [] == cluster.names(TRAFFIC_HOLDS)


@pytest.mark.parametrize("item", [deployment(), service()])
async def test_its_children_outlive_what_is_replaced(running, item):
    """Helm, Argo CD and `kubectl replace --force` delete first; requests are held meanwhile."""
    await begin(running, *CART, policy())
    cluster = running.cluster
    child = cluster.find(TRAFFIC_HOLDS, "cart")["metadata"]["uid"]
    cluster.lose(item)
    await running.settle(GRACE_SECONDS - 2)
    cluster.have(item)
    await running.settle()
    cluster.lose(item)
    await running.settle(GRACE_SECONDS - 2)
    assert child == cluster.find(TRAFFIC_HOLDS, "cart")["metadata"]["uid"]
    if item["kind"] == "Deployment":
        assert [{"name": "cart"}] == cluster.find(TRAFFIC_HOLDS, "cart")["status"]["services"]
    await running.settle(4)
    assert [] == cluster.names(TRAFFIC_HOLDS)


async def test_one_written_by_hand_takes_over_and_gives_back(running):
    """Whatever its name is."""
    await begin(running, *CART, policy())
    cluster = running.cluster
    cluster.have(hold("mine"))
    await running.settle()
    assert ["mine"] == cluster.names(TRAFFIC_HOLDS)
    conditions = cluster.find(TRAFFIC_HOLDS, "mine")["status"]["conditions"]
    assert "Accepted" == conditions[0]["reason"]
    cluster.delete(hold("mine"))
    await running.settle()
    assert ["cart"] == cluster.names(TRAFFIC_HOLDS)


async def test_a_workload_that_sleeps_goes_over_to_another_policy_asleep(running):
    """And back, when that one is deleted and its children with it: awake then, but held."""
    await begin(running, *CART, policy())
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert 0 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    cluster.have(policy("better", spec={"priority": 1}))
    await running.settle()
    assert 0 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    child = cluster.find(TRAFFIC_HOLDS, "cart")
    assert "better" == child["metadata"]["labels"]["layby.dev/policy"]


async def test_with_the_policy_go_its_traffic_holds_and_wake_what_sleeps(running):
    """Removing Layby from a cluster leaves it as it would be without."""
    await begin(running, *CART, policy())
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    cluster.delete(policy())
    await running.settle(15.0)
    assert 1 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    assert [] == cluster.names(TRAFFIC_HOLDS)


async def test_one_of_two_controllers_acts_and_the_other_takes_over(running, cluster):
    """At once if the first one ends well, and without writing anything that is there."""
    await begin(running, *CART, hold())
    other = type(running)(cluster, identity="other")
    other.start()
    await other.settle(5.0)
    assert not other.leads
    assert "does not lead" in repr(other.controller)
    cluster.writes.clear()
    await running.stop()
    await other.settle(5.0)
    assert other.leads
    assert {} == cluster.writes
    other.demand.say("cart", quiet=3600.0)
    await other.settle(310.0)
    assert 0 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    await other.stop()


async def test_changes_made_while_nobody_leads_are_seen(running, cluster):
    """Whoever begins looks at everything."""
    await begin(running, *CART, hold())
    await running.stop()
    cluster.lose(deployment())
    other = type(running)(cluster, identity="other")
    other.start()
    await other.settle(5.0)
    conditions = cluster.find(TRAFFIC_HOLDS, "cart")["status"]["conditions"]
    assert "TargetNotFound" == conditions[0]["reason"]
    await other.stop()


async def test_it_ends_well_before_it_ever_led(running, cluster):
    """A rolling update stops the one that waits, too."""
    await begin(running, *CART, hold())
    other = type(running)(cluster, identity="other")
    other.start()
    await other.settle()
    await other.stop()
    assert running.leads


async def test_one_that_cannot_be_made_keeps_none_of_the_others(running):
    """Admission may refuse one namespace's, and it is tried again."""
    cluster = running.cluster
    real, down = cluster.send, True

    async def send(request):
        if request.verb == "apply" and request.path.endswith("/trafficholds/cart") and down:
            raise refused(refusal(500, "InternalError", "webhook"))
        return await real(request)

    cluster.send = send
    await begin(running, *CART, *TILL, policy())
    assert ["till"] == cluster.names(TRAFFIC_HOLDS)
    down = False
    await running.settle(60.0)
    assert ["cart", "till"] == cluster.names(TRAFFIC_HOLDS)


async def test_a_policy_that_cannot_be_read_keeps_what_it_has(running):
    """It was valid once. Deleting its TrafficHolds would wake a cluster."""
    await begin(running, *CART, policy())
    cluster = running.cluster
    cluster.have(policy(spec={"priority": "high"}))
    await running.settle()
    assert ["cart"] == cluster.names(TRAFFIC_HOLDS)


async def test_a_namespace_that_is_annotated_is_seen_at_once(running):
    """Its traffic distribution makes istiod send endpoints that are not ready."""
    await begin(running, *CART, hold())
    cluster = running.cluster
    cluster.have(namespace(annotations={"networking.istio.io/traffic-distribution": "PreferClose"}))
    await running.settle()
    assert "NotReadyCounted" == reason(cluster, "Attached")


async def test_it_ends_though_it_does_not_know_the_cluster_yet(running, cluster):
    """Istio may not be installed, and whoever leads waits for its objects."""
    real = cluster.send

    async def send(request):
        if request.path.endswith("/destinationrules"):
            raise refused(refusal(404, "NotFound", "no such resource"))
        return await real(request)

    cluster.send = send
    await begin(running, *CART, hold())
    assert running.leads
    assert not running.controller.informers.synced
    await running.stop()
    assert {} == cluster.writes
