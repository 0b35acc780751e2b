"""The controller as a whole, on a cluster in memory."""

import pytest

from kube.resource import (
    DESTINATION_RULES,
    ENVOY_FILTERS,
)
from tests.controller.looking import begin, cart, condition, reason, status
from tests.controller.objects import deployment, hold, rule, service

pytestmark = pytest.mark.looptime


async def test_a_traffic_hold_has_its_rule_its_status_and_the_gate(running):
    """All that a user writes is one object."""
    running.cluster.have(*cart())
    running.start()
    await running.settle()
    cluster = running.cluster
    assert ["layby-cart"] == cluster.names(DESTINATION_RULES)
    assert ["layby"] == cluster.names(ENVOY_FILTERS)
    told = status(cluster)
    assert ("Warm", 1, [{"name": "cart"}]) == (
        told["phase"],
        told["observedGeneration"],
        told["services"],
    )
    assert "True" == condition(cluster, "Ready")["status"]
    once = ("destinationrules", "envoyfilters", "trafficholds", "trafficholds/status")
    assert dict.fromkeys(once, 1) == cluster.writes


async def test_steady_state_writes_nothing(running):
    """Not in an hour, in which every informer lists and watches anew."""
    await begin(running, *cart())
    running.demand.say("cart", in_flight=1)
    await running.settle(60.0)
    running.cluster.writes.clear()
    await running.settle(3600.0)
    assert {} == running.cluster.writes


async def test_a_restart_writes_nothing(running, cluster):
    """What is there was written by the last one, and is as it should be."""
    await begin(running, *cart())
    await running.stop()
    again = type(running)(cluster)
    again.start()
    await again.settle(10.0)
    assert {} == cluster.writes
    await again.stop()


async def test_the_older_of_two_has_the_workload_and_the_other_follows(running):
    """The one that lost takes over as soon as the winner is gone."""
    young = hold("young", creationTimestamp="2026-02-01T00:00:00Z")
    await begin(running, *cart(), young)
    cluster = running.cluster
    assert ("Accepted", "TargetConflict") == (
        reason(cluster, "Accepted"),
        reason(cluster, "Accepted", "young"),
    )
    assert "TrafficHold cart is older" in condition(cluster, "Accepted", "young")["message"]
    cluster.delete(hold())
    await running.settle()
    assert "Accepted" == reason(cluster, "Accepted", "young")
    (name,) = cluster.names(DESTINATION_RULES)
    owners = cluster.find(DESTINATION_RULES, name)["metadata"]["ownerReferences"]
    assert ["young"] == [owner["name"] for owner in owners]


async def test_one_service_cannot_wake_two_workloads(running):
    """A Service behind which two of them are is the older TrafficHold's."""
    shared = {"pod": {"app": "cart"}}
    two = (deployment("b", **shared), hold("b", target="b", creationTimestamp=None))
    await begin(running, *cart(), *two)
    assert "ServiceConflict" == reason(running.cluster, "Accepted")
    assert "Accepted" == reason(running.cluster, "Accepted", "b")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([hold()], "TargetNotFound"),
        ([deployment(), hold()], "NoServices"),
        ([deployment(), hold(spec={"services": [{"name": "x"}]})], "ServiceNotFound"),
        ([deployment(), service(clusterIP="None"), hold()], "ServiceUnsupported"),
        ([hold(kind="ReplicaSet")], "TargetNotFound"),
        (
            [hold(spec={"targetRef": {"apiVersion": "a/v1", "kind": "B", "name": "c"}})],
            "TargetNotFound",
        ),
        ([{**hold(), "spec": {"targetRef": {"kind": "DaemonSet", "name": "d"}}}], "Invalid"),
    ],
)
async def test_what_is_wrong_is_a_condition_until_it_is_put_right(running, items, expected):
    """Not a crash, and not a loop: the next event is what puts it right."""
    await begin(running, *items)
    cluster = running.cluster
    assert expected == reason(cluster, "Accepted")
    assert "NotAccepted" == reason(cluster, "Ready")
    await running.settle(600.0)
    assert {} == cluster.writes
    cluster.have(*cart()[:3], hold(status=status(cluster), generation=2))
    await running.settle(20.0)
    assert "Accepted" == reason(cluster, "Accepted")


async def test_what_somebody_deletes_or_changes_of_ours_is_put_right(running):
    """A person who does so by mistake has it back in a second."""
    await begin(running, *cart())
    cluster = running.cluster
    cluster.lose(cluster.find(DESTINATION_RULES, "layby-cart"))
    gate = cluster.find(ENVOY_FILTERS, "layby", "istio-system")
    cluster.have({**gate, "spec": {"configPatches": []}})
    await running.settle()
    assert ["layby-cart"] == cluster.names(DESTINATION_RULES)
    found = cluster.find(ENVOY_FILTERS, "layby", "istio-system")
    assert gate["spec"] == found["spec"]


async def test_without_a_traffic_hold_there_is_no_gate(running):
    """An install that nobody uses yet changes nothing in the mesh."""
    await begin(running, deployment(), service())
    assert [] == running.cluster.names(ENVOY_FILTERS)
    running.cluster.have(hold())
    await running.settle()
    assert ["layby"] == running.cluster.names(ENVOY_FILTERS)


async def test_a_wildcard_rule_has_all_holds_looked_at(running):
    """It may be for any of their hosts."""
    await begin(running, *cart())
    running.cluster.have(rule("all", namespace="istio-system", host="*.local"))
    await running.settle()
    assert "NotReadyCounted" == reason(running.cluster, "Attached")
    assert "istio-system/all" in condition(running.cluster, "Attached")["message"]


async def test_a_service_that_changes_is_looked_at(running):
    """Whether it still leads here, and whether it still can be held."""
    await begin(running, *cart())
    cluster = running.cluster
    cluster.have(service(clusterIP="None"))
    await running.settle()
    assert "ServiceUnsupported" == reason(cluster, "Accepted")
    assert [] == cluster.names(DESTINATION_RULES)
    cluster.have(service())
    await running.settle()
    assert "Accepted" == reason(cluster, "Accepted")


async def test_pods_that_get_other_labels_are_another_s(running):
    """The Service leads to nobody then."""
    await begin(running, *cart())
    running.cluster.have(deployment(pod={"app": "till"}))
    await running.settle()
    assert "NoServices" == reason(running.cluster, "Accepted")
