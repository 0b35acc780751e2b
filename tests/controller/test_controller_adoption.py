"""The controller and a ScaledObject of a user's."""

import pytest

from controller.indexes import memory_of
from kube.resource import TRAFFIC_HOLDS
from tests.controller.autoscaled import direct, named, with_keda
from tests.controller.looking import cart, events, reason, replicas
from tests.controller.objects import deployment, endpoints, hold, scaled_object

pytestmark = pytest.mark.looptime


async def test_a_user_s_scaled_object_is_adopted_and_given_back(running):
    """By a change of the mode here, and of the TrafficHold's life below."""
    theirs = scaled_object(spec={"cooldownPeriod": 120})
    spec = {"idle": {"after": "60s"}}
    await with_keda(running, *cart()[:-1], hold(spec=spec), theirs)
    cluster = running.cluster
    assert "KEDAAdopted" == reason(cluster, "ScalerReady")
    assert ["ScaledObjectAdopted"] == events(cluster)
    assert [60, 2] == [
        named(cluster, "cart")["spec"]["cooldownPeriod"],
        len(named(cluster, "cart")["spec"]["triggers"]),
    ]
    assert {"cooldownPeriod": 120} == memory_of(named(cluster, "cart"))["was"]
    cluster.writes.clear()
    await running.settle(300.0)
    assert {} == cluster.writes
    cluster.have({**cluster.find(TRAFFIC_HOLDS, "cart"), "spec": direct()["spec"]})
    await running.settle()
    assert theirs["spec"] == named(cluster, "cart")["spec"]
    assert "AutoscalerConflict" == reason(cluster, "ScalerReady")
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert 1 == replicas(cluster), "it is left to that"
    cluster.lose(named(cluster, "cart"))
    await running.settle(310.0)
    assert 0 == replicas(cluster)


async def test_a_user_s_is_given_back_when_the_traffic_hold_is_deleted(running):
    """Before it goes, and whatever the workload is doing."""
    theirs = scaled_object()
    await with_keda(running, *cart(), theirs)
    cluster = running.cluster
    cluster.scale(deployment(), 0)
    cluster.have(endpoints(ready=0))
    cluster.delete(hold())
    await running.settle()
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None
    assert theirs["spec"] == named(cluster, "cart")["spec"]
    assert {} == named(cluster, "cart")["metadata"]["annotations"]
    assert 0 == replicas(cluster)


async def test_another_leader_finds_it_all_as_it_is(running):
    """Nothing of it is only in one's memory."""
    await with_keda(running, *cart()[:-1], hold(spec={"idle": {"after": "60s"}}), scaled_object())
    other = type(running)(running.cluster, identity="other")
    await running.stop()
    before = memory_of(named(running.cluster, "cart"))
    running.cluster.writes.clear()
    other.start()
    await other.settle(5.0)
    assert other.leads
    assert {} == running.cluster.writes
    assert before == memory_of(named(running.cluster, "cart"))
    await other.stop()
