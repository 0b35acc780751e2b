"""The controller puts workloads to sleep, and lets them go."""

import pytest

from kube.errors import refused
from kube.resource import (
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENVOY_FILTERS,
    TRAFFIC_HOLDS,
    Key,
)
from tests.controller.looking import begin, cart, condition, events, reason, replicas, status
from tests.controller.objects import asleep, deployment, endpoints, hold, rule
from tests.kube.fake_api import FakeAnswer
from tests.kube.fake_api import status as refusal

pytestmark = pytest.mark.looptime


async def test_an_idle_workload_is_put_to_sleep_when_it_is_time(running):
    """To the second, though no event comes."""
    await begin(running, *cart())
    cluster = running.cluster
    running.demand.say("cart")
    await running.settle(295.0)
    assert 1 == replicas(cluster)
    cluster.writes.clear()
    await running.settle(10.0)
    assert 0 == replicas(cluster)
    assert "Zero" == status(cluster)["phase"]
    assert ["layby.dev/wake"] == cluster.find(TRAFFIC_HOLDS, "cart")["metadata"]["finalizers"]
    once = ("deployments/scale", "trafficholds/status")
    assert dict.fromkeys(once, 1) == cluster.writes


async def test_a_request_keeps_it_up(running):
    """Each one begins the time anew."""
    await begin(running, *cart())
    for _ in range(10):
        running.demand.say("cart", quiet=0.0)
        await running.settle(200.0)
    running.demand.say("cart", in_flight=1)
    await running.settle(3600.0)
    assert 1 == replicas(running.cluster)


async def test_a_workload_that_wakes_is_followed(running):
    """The hold server scales it; what is left to do here is to say so."""
    await begin(running, *cart(replicas=0))
    cluster = running.cluster
    running.demand.say("cart", pending=3, in_flight=3)
    await running.settle()
    assert ("Waking", 3) == (status(cluster)["phase"], status(cluster)["pending"])
    cluster.scale(deployment(), 1)
    cluster.have(endpoints(ready=1))
    running.demand.say("cart", in_flight=3)
    await running.settle()
    assert ("Warm", 0) == (status(cluster)["phase"], status(cluster)["pending"])


async def test_whoever_starts_a_workload_by_hand_has_it_for_a_while(running):
    """It has had no request for an hour, but somebody wants it up."""
    await begin(running, *cart(replicas=0))
    running.demand.say("cart", quiet=3600.0)
    await running.settle()
    running.cluster.scale(deployment(), 1)
    await running.settle(290.0)
    assert 1 == replicas(running.cluster)
    await running.settle(20.0)
    assert 0 == replicas(running.cluster)


async def test_somebody_else_who_scales_meanwhile_is_not_overruled(running):
    """The number that was planned from is not there any more."""
    await begin(running, *cart())
    running.demand.say("cart", quiet=3600.0)
    running.cluster.objects[DEPLOYMENTS.path_of(Key("shop", "cart"))]["spec"]["replicas"] = 5
    await running.settle(300.0)
    assert 5 == replicas(running.cluster)


async def test_a_scaling_that_is_refused_is_told_and_tried_again(running):
    """A role may be put right, and nobody tells."""
    await begin(running, *cart())
    cluster = running.cluster
    refusal = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}
    cluster.next_is("patch", FakeAnswer(403, refusal))
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert "Forbidden" == reason(cluster, "ScalerReady")
    await running.settle(120.0)
    assert 0 == replicas(cluster)


async def test_a_traffic_hold_that_is_deleted_wakes_its_workload_first(running):
    """Its requests go on being parked until there is somewhere to go."""
    await begin(running, *cart())
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    cluster.have(endpoints(ready=0))
    cluster.delete(hold())
    await running.settle()
    assert 1 == replicas(cluster)
    assert ("Terminating", "Zero") == (reason(cluster, "Ready"), status(cluster)["phase"])
    cluster.have(endpoints(ready=1))
    await running.settle(0.5)
    assert cluster.find(TRAFFIC_HOLDS, "cart"), "Envoys may not have heard of it"
    await running.settle(1.0)
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None
    assert [] == cluster.names(DESTINATION_RULES), "it went with its owner"
    assert ["layby"] == cluster.names(ENVOY_FILTERS), "the gate stays"
    assert ["Slept", "Waking"] == events(cluster)


async def test_a_traffic_hold_on_a_workload_that_is_up_goes_at_once(running):
    """There is nothing to wait for."""
    await begin(running, *cart())
    running.cluster.delete(hold())
    await running.settle(0.1)
    assert running.cluster.find(TRAFFIC_HOLDS, "cart") is None


async def test_what_somebody_else_has_scaled_to_zero_is_woken_before_its_traffic_hold_goes(running):
    """Who did it makes no difference to whoever asks for it meanwhile."""
    await begin(running, *cart(replicas=0))
    cluster = running.cluster
    cluster.delete(hold())
    await running.settle()
    assert (1, "Terminating") == (replicas(cluster), reason(cluster, "Ready"))
    cluster.have(endpoints(ready=1))
    await running.settle(2.0)
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None


async def test_a_workload_that_does_not_start_does_not_keep_its_traffic_hold_for_ever(running):
    """After as long as a request would have waited it goes."""
    await begin(running, *cart())
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    cluster.have(endpoints(ready=0))
    gone = hold(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["layby.dev/wake"])
    cluster.have({**gone, "status": status(cluster)})
    await running.settle(5.0)
    assert 1 == replicas(cluster)
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None


async def test_a_user_s_rule_is_made_room_for_and_never_touched(running):
    """And when it goes, ours is there again."""
    await begin(running, *cart())
    cluster = running.cluster
    theirs = rule("theirs", spec={"trafficPolicy": {}})
    cluster.have(theirs)
    await running.settle()
    assert ["theirs"] == cluster.names(DESTINATION_RULES)
    assert "NotReadyCounted" == reason(cluster, "Attached")
    assert "add to DestinationRule shop/theirs" in condition(cluster, "Attached")["message"]
    assert {"destinationrules": 1, "trafficholds/status": 1} == cluster.writes
    cluster.lose(theirs)
    await running.settle()
    assert ["layby-cart"] == cluster.names(DESTINATION_RULES)
    assert "Unverified" == reason(cluster, "Attached")


async def test_the_gate_is_never_touched_by_a_sleep_or_a_wake(running):
    """Each time it changes, every Envoy of the mesh drains its listeners."""
    await begin(running, *cart())
    cluster = running.cluster
    for _ in range(3):
        running.demand.say("cart", quiet=3600.0)
        await running.settle(320.0)
        assert 0 == replicas(cluster)
        cluster.scale(deployment(), 1)
    assert 0 == cluster.writes["envoyfilters"]


async def test_without_any_envoy_that_reports_nothing_sleeps_and_a_condition_says_so(running):
    """The gate is in the wrong namespace, say: in use or not, every workload is silent."""
    await begin(running, *cart())
    cluster = running.cluster
    running.demand.say("cart", quiet=3600.0, complete=False, reported=False)
    await running.settle(3600.0)
    assert 1 == replicas(cluster)
    said = condition(cluster, "Attached")
    assert said
    assert ("Unknown", "NoReports") == (said["status"], said["reason"])
    assert "is istio-system the mesh's root namespace" in said["message"]
    # Of the first report nobody tells: its request was for another workload.
    running.demand.demands[Key("shop", "cart")] = asleep()
    await running.settle(60.0)
    assert 0 == replicas(cluster)
    assert "Unverified" == reason(cluster, "Attached")


REFUSAL = "the demand feed was opened with no token"


async def test_hold_servers_that_refuse_the_token_are_told_of_by_a_condition(running):
    """Nothing is known of demand then, and `layby explain` shows why; held it is all the same."""
    await begin(running, *cart())
    cluster = running.cluster
    running.demand.refusal = REFUSAL
    await running.settle(60.0)
    said = condition(cluster, "Ready")
    assert said
    assert ("True", "Ready") == (said["status"], said["reason"])
    assert f"nothing is put to sleep, for a hold server says that {REFUSAL}" in said["message"]
    await running.settle(3600.0)
    assert 1 == replicas(cluster)
    # That it has an end nobody tells, least of all one that is at zero.
    cluster.scale(deployment(), 0)
    await running.settle(1.0)
    running.demand.refusal = ""
    await running.settle(60.0)
    said = condition(cluster, "Ready")
    assert said
    assert "put to sleep" not in said["message"]


UNREADABLE = {"hold": {"timeout": "a while"}}
LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["layby.dev/wake"]}


@pytest.mark.parametrize("asked_for", [0, 3])
async def test_one_that_cannot_be_read_can_be_deleted(running, asked_for):
    """It was valid once. Its namespace would never go, nor its workload wake."""
    items = (deployment(replicas=asked_for), hold(spec=UNREADABLE, **LEAVING))
    await begin(running, *items)
    assert [] == running.cluster.names(TRAFFIC_HOLDS)
    assert (asked_for or 1) == replicas(running.cluster)


@pytest.mark.parametrize("ref", [None, {"name": ""}, {"name": "nothing"}])
async def test_one_whose_target_is_unknown_too_can_be_deleted(running, ref):
    """There is nothing to wake."""
    item = hold(spec=UNREADABLE, **LEAVING)
    await begin(running, {**item, "spec": {**item["spec"], "targetRef": ref}})
    assert [] == running.cluster.names(TRAFFIC_HOLDS)


async def test_one_that_cannot_be_read_nor_woken_can_be_deleted(running):
    """The role may not cover its target's kind any more."""
    running.cluster.next_is("patch", refused(refusal(403, "Forbidden", "no")))
    await begin(running, deployment(replicas=0), hold(spec=UNREADABLE, **LEAVING))
    assert 0 == replicas(running.cluster)
    await running.settle(5.0)
    assert [] == running.cluster.names(TRAFFIC_HOLDS)
