"""The controller where KEDA is, or comes and goes; of KEDA itself only what it writes."""

import pytest
from pydantic import ValidationError

from controller.settings import Settings
from kube.resource import DESTINATION_RULES, SCALED_OBJECTS, TRAFFIC_HOLDS
from tests.controller import objects
from tests.controller.autoscaled import OURS, direct, named, says, with_keda
from tests.controller.conftest import Running
from tests.controller.looking import begin, cart, condition, events, reason, replicas, status
from tests.controller.objects import definition, deployment, endpoints, hold, service

pytestmark = pytest.mark.looptime

NO_ANSWER = "Triggers defined in ScaledObject are not working correctly"
"""As KEDA says it."""


async def test_a_scaled_object_is_made_and_what_keda_says_of_it_is_told(running):
    """And once all is as it should be nothing is written."""
    running.demand.say("cart", in_flight=1)
    await begin(running, definition(), *cart())
    cluster = running.cluster
    assert "ScaledObjectPending" == reason(cluster, "ScalerReady")
    assert "ScalerNotReady" == reason(cluster, "Ready")
    finalizers = cluster.find(TRAFFIC_HOLDS, "cart")["metadata"]["finalizers"]
    assert ["layby.dev/wake"] == finalizers
    says(cluster)
    await running.settle()
    assert ("KEDA", "Ready") == (reason(cluster, "ScalerReady"), reason(cluster, "Ready"))
    says(cluster, "False", message="scaler unreachable")
    await running.settle()
    assert "scaler unreachable" in condition(cluster, "ScalerReady")["message"]
    assert ["ScaledObjectNotReady"] == events(cluster)
    says(cluster)
    await running.settle()
    cluster.writes.clear()
    for second in range(100):
        says(cluster, lastActiveTime=str(second))
        await running.settle(5.0)
    assert {} == cluster.writes


async def test_a_rollout_of_hold_servers_is_no_news(running):
    """KEDA gets no answer meanwhile, and says so of each of its hundreds of ScaledObjects."""
    running.demand.say("cart")
    await with_keda(running)
    cluster = running.cluster
    for _ in range(2):
        running.demand.say("cart", complete=False, settled=0.0)
        says(cluster, "False", message=NO_ANSWER)
        await running.settle(19.0)
        running.demand.say("cart", settled=20.0)
        await running.settle(5.0)
        assert {} == cluster.writes
        says(cluster)
        await running.settle(120.0)
    assert ({}, []) == (cluster.writes, events(cluster))
    says(cluster, "False", message=NO_ANSWER)
    await running.settle()
    assert ["ScaledObjectNotReady"] == events(cluster)


async def test_what_a_rollout_does_not_account_for_is_told(running):
    """At a time that nobody else tells of: KEDA says nothing a second time."""
    running.demand.say("cart")
    await with_keda(running)
    cluster = running.cluster
    running.demand.say("cart", complete=False, settled=0.0)
    says(cluster, "False", message=NO_ANSWER)
    await running.settle(20.0)
    running.demand.say("cart", settled=20.0)
    await running.settle(64.0)
    assert ("KEDA", "Ready") == (reason(cluster, "ScalerReady"), reason(cluster, "Ready"))
    await running.settle(2.0)
    assert NO_ANSWER in condition(cluster, "ScalerReady")["message"]
    assert ["ScaledObjectNotReady"] == events(cluster)


async def test_a_controller_that_is_to_leave_keda_alone_scales_by_itself(cluster):
    """Whoever may not look after ScaledObjects would wait for ever to know which there are."""
    running = Running(cluster, keda=False)
    named_by = hold("pear", spec={"scaling": {"mode": "KEDA"}}, target="pear")
    pear = (deployment("pear"), service("pear"), endpoints("pear"), named_by)
    await begin(running, definition(), *cart(), *pear)
    assert "Direct" == reason(cluster, "ScalerReady")
    assert "KEDADisabled" == reason(cluster, "ScalerReady", "pear")
    told = cluster.find(TRAFFIC_HOLDS, "pear")["status"]["conditions"]
    (message,) = (each["message"] for each in told if each["type"] == "ScalerReady")
    assert "keda.enabled=true" in message
    for name in ("cart", "pear"):
        running.demand.say(name, quiet=3600.0)
    await running.settle(310.0)
    assert (0, 1) == (replicas(cluster), replicas(cluster, "pear"))
    assert [] == cluster.names(SCALED_OBJECTS)
    looked = {request.path for request in cluster.asked if "keda" in request.path}
    assert set() == looked, "the role does not allow it"
    await running.stop()


async def test_what_is_idle_is_left_to_keda(running):
    """Two who put one workload to sleep undo one another's work."""
    await with_keda(running)
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert (1, "Idle") == (replicas(running.cluster), status(running.cluster)["phase"])
    running.cluster.scale(deployment(), 0)
    running.cluster.have(endpoints(ready=0))
    await running.settle()
    assert "Zero" == status(running.cluster)["phase"]


async def test_each_sleep_by_keda_has_one_event(running):
    """Another leader tells of none that was before it."""
    await with_keda(running)
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert [] == events(cluster)
    cluster.scale(deployment(), 0)
    await running.settle()
    cluster.have(endpoints(ready=0))
    await running.settle(600.0)
    assert ["Slept"] == events(cluster)
    await running.stop()
    cluster.writes.clear()
    second = Running(cluster, identity="second")
    second.demand.say("cart", quiet=3600.0)
    second.start()
    await second.settle(600.0)
    assert second.leads
    assert ["Slept"] == events(cluster)
    assert 0 == cluster.writes["trafficholds/status"]
    await second.stop()


async def test_keda_may_come_later_and_go_again(running):
    """Within moments, for those that are up and those that sleep."""
    await begin(running, *cart())
    cluster = running.cluster
    assert "Direct" == reason(cluster, "ScalerReady")
    cluster.have(definition(established="False"))
    await running.settle(5.0)
    assert "Direct" == reason(cluster, "ScalerReady"), "it is not served yet"
    cluster.have(definition())
    await running.settle(5.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)
    says(cluster)
    await running.settle()
    assert "KEDA" == reason(cluster, "ScalerReady")
    cluster.lose(definition(), named(cluster))
    await running.settle(5.0)
    assert "Direct" == reason(cluster, "ScalerReady")
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert 0 == replicas(cluster)
    cluster.have(definition(uid="another"))
    await running.settle(5.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)
    assert 0 == replicas(cluster), "what sleeps sleeps on"


async def test_scaled_objects_do_not_outlive_their_definition(running):
    """Another KEDA, another world, though both have been seen in one glance."""
    await with_keda(running)
    cluster = running.cluster
    cluster.remove(SCALED_OBJECTS, named(cluster))
    cluster.have(definition(uid="another"))
    await running.settle(5.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)
    cluster.have(definition(uid="another", deletionTimestamp="2026-01-01T00:00:00Z"))
    await running.settle(5.0)
    assert "Direct" == reason(cluster, "ScalerReady")


async def test_what_somebody_has_done_to_ours_is_undone(running):
    """Changed or deleted."""
    await with_keda(running)
    cluster = running.cluster
    item = named(cluster)
    cluster.have({**item, "spec": {**item["spec"], "triggers": [objects.CRON]}})
    await running.settle()
    assert ["layby"] == [each["name"] for each in named(cluster)["spec"]["triggers"]]
    assert 1 == cluster.writes["scaledobjects"]
    cluster.lose(named(cluster))
    await running.settle()
    assert [OURS] == cluster.names(SCALED_OBJECTS)


async def test_a_change_of_the_traffic_hold_is_passed_on(running):
    """The trigger has the target too: only by that KEDA asks for it again."""
    await with_keda(running)
    cluster = running.cluster
    spec = {"scaling": {"maxReplicas": 9, "target": {"concurrency": 7}}}
    cluster.have({**cluster.find(TRAFFIC_HOLDS, "cart"), "spec": hold(spec=spec)["spec"]})
    await running.settle()
    made = named(cluster)["spec"]
    assert (9, "7") == (made["maxReplicaCount"], made["triggers"][0]["metadata"]["concurrency"])
    cluster.have({**cluster.find(TRAFFIC_HOLDS, "cart"), "spec": direct()["spec"]})
    await running.settle()
    assert [] == cluster.names(SCALED_OBJECTS)
    assert "Direct" == reason(cluster, "ScalerReady")


async def test_ours_goes_with_its_traffic_hold_and_the_workload_is_woken_first(running):
    """As where Layby has put it to sleep itself; and KEDA may take its time."""
    await with_keda(running)
    cluster = running.cluster
    held = {**named(cluster)["metadata"], "finalizers": ["finalizer.keda.sh"]}
    cluster.have({**named(cluster), "metadata": held})
    cluster.scale(deployment(), 0)
    cluster.have(endpoints(ready=0))
    await running.settle()
    cluster.delete(hold())
    await running.settle()
    assert (1, "Terminating") == (replicas(cluster), reason(cluster, "Ready"))
    cluster.scale(deployment(), 0)
    await running.settle()
    assert 1 == replicas(cluster), "KEDA was in the middle of it"
    cluster.have(endpoints(ready=1))
    await running.settle()
    assert cluster.find(TRAFFIC_HOLDS, "cart"), "KEDA has not let go"
    cluster.lose(named(cluster))
    await running.settle()
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None
    assert [] == cluster.names(DESTINATION_RULES)


async def test_an_older_one_s_scaled_object_is_not_touched_by_a_younger_traffic_hold(running):
    """They have the same target, and only one of them may."""
    young = hold("young", creationTimestamp="2026-02-01T00:00:00Z")
    await with_keda(running, *cart(), young)
    cluster = running.cluster
    assert ["layby-cart"] == cluster.names(SCALED_OBJECTS)
    assert "TargetConflict" == reason(cluster, "Accepted", "young")
    cluster.delete(hold())
    await running.settle()
    assert ["layby-young"] == cluster.names(SCALED_OBJECTS)


async def test_keda_may_be_sent_elsewhere(cluster):
    """By a proxy's name, say, and with certificates."""
    settings = {"scaler_address": "scaler.example.org:443", "scaler_authentication": "layby"}
    running = Running(cluster, **settings)
    await begin(running, definition(), *cart())
    (trigger,) = named(cluster)["spec"]["triggers"]
    assert "scaler.example.org:443" == trigger["metadata"]["scalerAddress"]
    assert "layby" == trigger["authenticationRef"]["name"]
    await running.stop()


@pytest.mark.parametrize(
    "wrong", [{"scaler_address": "no port"}, {"scaler_authentication": "Not A Name"}]
)
def test_a_place_that_cannot_be_is_refused(wrong):
    """Before KEDA has to say so of each ScaledObject."""
    with pytest.raises(ValidationError):
        Settings(**wrong)
