from dataclasses import replace
from datetime import timedelta

import pytest

from controller.facts import Gate
from controller.plan import plan
from controller.rule import Mesh
from controller.services import Leading, Problem, Trouble
from controller.sleep import UNKNOWN_SECONDS
from controller.steps import Removal
from crds.condition import Attached, Ready
from kube.resource import Key
from tests.controller.objects import (
    asleep,
    facts,
    read_hold,
    read_rule,
)
from tests.controller.plans import (
    DELETED,
    GONE,
    IDLE,
    LATER,
    LEFT,
    NOW,
    WINNER,
    WOKEN,
    ours,
    reasons,
    settled,
    told,
)

NOWHERE = Leading(troubles=(Trouble(Problem.NO_SERVICE),))
STEADY = {
    "warm": facts(),
    "warm, and nobody has asked yet": facts(demand=asleep(quiet=1.0, requested=False)),
    "no demand known": facts(demand=None),
    "asleep": facts(replicas=0, ready_endpoints=0, has_finalizer=True, demand=IDLE),
    "asleep by somebody else's doing": facts(replicas=0, ready_endpoints=0, demand=IDLE),
    "waking": facts(replicas=1, ready_endpoints=0, demand=asleep(pending=3, in_flight=3)),
    "woken": facts(demand=asleep(in_flight=1, last_wake=WOKEN)),
    "dry run": facts(hold=read_hold(spec={"dryRun": True}), demand=IDLE),
    "never sleeps": facts(hold=read_hold(spec={"scaling": {"minReplicas": 1}}), demand=IDLE),
    "refused": facts(target=GONE),
    "lost": facts(loss=WINNER),
    "no service": facts(leading=NOWHERE),
    "a user's own rule": facts(rules=(read_rule(spec={"trafficPolicy": {}}),)),
    "the gate is not there": facts(gate=Gate(Attached.PENDING, "1 of 2 lack it"), demand=IDLE),
    "scaled by KEDA": facts(**LEFT, demand=IDLE),
    "refused to scale": facts(scale_refused="forbidden", demand=IDLE),
    "put to sleep": facts(demand=IDLE),
    "roused": facts(
        hold=read_hold(spec={"dryRun": True}), replicas=0, has_finalizer=True, demand=IDLE
    ),
}


@pytest.mark.parametrize("before", STEADY.values(), ids=STEADY)
def test_steady_state_writes_nothing(before):
    """2,000 of them are looked at again and again, and the API server has other things to do."""
    after = settled(settled(before))
    assert plan(after, LATER).is_empty


def test_a_workload_is_put_to_sleep_and_a_finalizer_is_there_first():
    """If the controller dies between the two, the workload is up."""
    made = plan(facts(replicas=3, demand=asleep(quiet=312.0)), NOW)
    assert made.scale
    assert (3, 0, True) == (made.scale.current, made.scale.desired, made.finalizer)
    assert "Deployment cart: 3 -> 0, no request for 5m12s" == made.scale.told.note


@pytest.mark.parametrize(
    ("change", "finalizer"),
    [
        ({}, True),
        ({"replicas": 0, "ready_endpoints": 0}, True),
        ({"hold": read_hold(spec={"dryRun": True})}, False),
        ({"leading": NOWHERE}, False),
        ({"target": GONE}, False),
        ({"loss": WINNER}, False),
    ],
)
def test_the_finalizer_is_there_for_as_long_as_requests_are_held(change, finalizer):
    """Somebody else may scale it to zero at any moment. It is written once, not at each sleep."""
    before = facts(**change)
    assert finalizer is bool(plan(before, NOW).finalizer)
    again = plan(replace(before, has_finalizer=True), NOW).finalizer
    assert (None if finalizer else False) is again


@pytest.mark.parametrize(
    ("change", "replicas"),
    [
        ({}, None),
        ({"hold": read_hold(spec={"dryRun": True})}, 1),
        ({"hold": read_hold(spec={"scaling": {"minReplicas": 2}})}, 2),
        ({"leading": NOWHERE}, 1),
        ({"loss": WINNER}, None),
        ({"gate": Gate(Attached.PENDING, "")}, None),
        ({"target": GONE}, None),
        ({**LEFT, "hold": read_hold(spec={"dryRun": True})}, None),
        ({"has_finalizer": False, "hold": read_hold(spec={"dryRun": True})}, None),
    ],
)
def test_what_layby_has_put_to_sleep_is_roused_when_nothing_would_wake_it(change, replicas):
    """Not for a proxy that starts, or every workload of the mesh would; nor what others scale."""
    base = {"replicas": 0, "ready_endpoints": 0, "demand": IDLE, "has_finalizer": True}
    made = plan(facts(**{**base, **change}), NOW)
    assert replicas == (made.scale.desired if made.scale else None)
    assert made.scale is None or made.scale.told.reason == "Waking"


@pytest.mark.parametrize(
    ("change", "replicas", "finalizer"),
    [
        ({"has_finalizer": False, "replicas": 0}, None, None),
        ({"replicas": 0, "ready_endpoints": 0}, 1, None),
        ({"replicas": 1, "ready_endpoints": 0}, None, None),
        ({"replicas": 1, "ready_endpoints": 1}, None, False),
        ({"replicas": 1, "ready_endpoints": 0, "leading": NOWHERE}, None, False),
        ({"target": GONE}, None, False),
        ({"replicas": 0, "loss": WINNER}, None, False),
        ({"replicas": 0, "scale_refused": "forbidden"}, None, False),
        ({"replicas": 0, **LEFT, "hold": DELETED["hold"]}, None, False),
    ],
)
def test_a_workload_that_sleeps_is_woken_before_its_traffic_hold_goes(change, replicas, finalizer):
    """Nobody else would wake it. But a TrafficHold must not be stuck either."""
    made = plan(facts(**{**DELETED, **change}), NOW)
    assert replicas == (made.scale.desired if made.scale else None)
    assert finalizer is made.finalizer
    waits = change.get("ready_endpoints") == 0 and "leading" not in change
    assert waits is (made.status is not None)
    assert not waits or Ready.TERMINATING == reasons(made)["Ready"]


def test_its_traffic_hold_goes_when_the_envoys_know_that_it_is_ready():
    """What they send in between is held for the last time."""
    just = facts(**DELETED, ready_for=0.4)
    assert (None, 0.6) == (plan(just, NOW).finalizer, plan(just, NOW).again_after)
    assert plan(replace(just, ready_for=1.0), NOW).finalizer is False


def test_requests_that_wait_for_what_a_user_s_autoscaler_starts_are_held_to_the_end():
    """It is not woken by Layby, but it is being woken."""
    waits = {**DELETED, **LEFT, "hold": DELETED["hold"], "ready_endpoints": 0}
    assert plan(facts(**waits, demand=asleep(pending=1)), NOW).finalizer is None
    assert plan(facts(**waits, demand=IDLE), NOW).finalizer is False


def test_a_workload_that_does_not_start_holds_nothing_up_for_longer_than_a_request_would_wait():
    """Else kubectl delete has to return, with a broken image too."""
    starting = facts(**DELETED, ready_endpoints=0)
    assert plan(starting, NOW).finalizer is None
    assert 55.0 == plan(starting, NOW).again_after
    assert plan(starting, NOW + timedelta(seconds=55)).finalizer is False


def test_a_dry_run_changes_nothing_in_the_mesh_and_tells_what_it_would_do():
    """Whoever tries it out on production must be able to trust it."""
    made = plan(facts(hold=read_hold(spec={"dryRun": True}), demand=IDLE, rules=(ours(),)), NOW)
    assert ([], None) == (list(made.apply), made.scale)
    assert 1 == len(made.delete)
    assert ["WouldSleep"] == told(made)
    after = settled(facts(hold=read_hold(spec={"dryRun": True}), demand=IDLE))
    assert [] == told(plan(after, LATER))


def test_a_rule_that_somebody_has_changed_is_put_right():
    """It is ours, and what it says decides whether requests get 503."""
    changed = replace(ours(), item=read_rule("layby-cart").item)
    made = plan(facts(rules=(changed,)), NOW)
    assert ["layby-cart"] == [item["metadata"]["name"] for item in made.apply]


def test_a_user_s_rule_that_comes_later_has_ours_deleted():
    """Else istiod would take the older policy and ignore theirs."""
    made = plan(facts(rules=(ours(), read_rule("mine", spec={"trafficPolicy": {}}))), NOW)
    assert [("layby-cart", "")] == [(each.key.name, each.uid) for each in made.delete]


def test_rules_for_services_that_are_held_no_more_are_deleted():
    """By their uid: another one of that name is another's."""
    old = replace(ours(), key=Key("shop", "layby-api"), uid="7")
    made = plan(facts(rules=(ours(), old)), NOW)
    assert [Removal(Key("shop", "layby-api"), "7")] == list(made.delete)


@pytest.mark.parametrize(
    "other",
    [
        read_rule("layby-api", labels={"layby.dev/managed-by": "layby"}),
        read_rule(
            "layby-api",
            labels={"layby.dev/managed-by": "layby"},
            ownerReferences=[{"uid": "uid-of-another"}],
        ),
        read_rule("layby-api", ownerReferences=[{"uid": "uid-of-cart"}]),
    ],
)
def test_what_is_not_ours_is_left_alone(other):
    """Neither the label nor the owner alone makes it ours."""
    assert () == plan(facts(rules=(other,)), NOW).delete


def test_no_rule_is_made_where_istiod_needs_none():
    """Fewer objects are better ones."""
    assert () == plan(facts(mesh=Mesh(sends_unready=False)), NOW).apply


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"demand": asleep(quiet=100.0)}, 200.0),
        ({"demand": asleep(quiet=1.0, in_flight=1)}, None),
        ({"demand": IDLE, "up_for": 10.0}, 290.0),
        ({"demand": None}, UNKNOWN_SECONDS),
    ],
)
def test_it_is_looked_at_again_when_it_may_sleep(change, seconds):
    """No event comes for a request that does not."""
    assert seconds == plan(settled(facts(**change)), NOW).again_after
