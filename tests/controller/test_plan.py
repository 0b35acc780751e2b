from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.conflicts import Loss
from controller.destination_rule import Owner, cover
from controller.facts import Facts, Gate, Missing
from controller.plan import Plan, plan
from controller.rule import Mesh, Rule
from controller.services import Leading, Problem, Trouble
from controller.sleep import UNKNOWN_SECONDS
from controller.workload import Workload
from crds.condition import Accepted, Attached, Ready, ScalerReady
from crds.v1alpha1.traffichold import LastWake, Phase, WakeOutcome
from kube.resource import Key
from tests.controller.objects import (
    ATTACHED,
    MESH,
    asleep,
    deployment,
    facts,
    read_hold,
    read_rule,
    read_service,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
IDLE = asleep()
WINNER = Loss(Key("shop", "older"))
GONE = Missing(Accepted.TARGET_NOT_FOUND, "there is no Deployment cart in namespace shop")
WOKEN = LastWake(at=NOW, duration=1.25, outcome=WakeOutcome.SUCCEEDED)
FAILED = LastWake(at=NOW, duration=1.25, outcome=WakeOutcome.FAILED)


def settled(before: Facts) -> Facts:
    """Return the facts after a plan for them has been carried out, and the informers know it."""
    made = plan(before, NOW)
    rules = {rule.key: rule for rule in before.rules}
    for removal in made.delete:
        del rules[removal.key]
    for item in made.apply:
        rule = Rule.read(item, MESH)
        rules[rule.key] = rule
    hold = before.hold
    if made.status is not None:
        hold = hold.model_copy(update={"status": made.status})
    return replace(
        before,
        hold=hold,
        rules=tuple(rules.values()),
        replicas=made.scale.desired if made.scale else before.replicas,
        has_finalizer=before.has_finalizer if made.finalizer is None else made.finalizer,
        status_age=0.0,
    )


def ours() -> Rule:
    item = cover(read_service(), [], Owner("cart", "uid-of-cart"), MESH).ours
    assert item
    return Rule.read(item, MESH)


def reasons(made: Plan) -> dict[str, str]:
    assert made.status
    return {condition.type: condition.reason for condition in made.status.conditions}


def told(made: Plan) -> list[str]:
    return [event.reason for event in made.events]


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
    "no service": facts(leading=Leading(troubles=(Trouble(Problem.NO_SERVICE),))),
    "a user's own rule": facts(rules=(read_rule(spec={"trafficPolicy": {}}),)),
    "the gate is not there": facts(gate=Gate(Attached.PENDING, "1 of 2 lack it"), demand=IDLE),
    "scaled by KEDA": facts(scaled_by="ScaledObject cart", demand=IDLE),
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


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, Accepted.ACCEPTED),
        ({"target": GONE}, Accepted.TARGET_NOT_FOUND),
        ({"loss": WINNER}, Accepted.TARGET_CONFLICT),
        ({"loss": WINNER._replace(service="cart")}, Accepted.SERVICE_CONFLICT),
        *(
            ({"leading": Leading(troubles=(Trouble(problem, "cart"),))}, reason)
            for problem, reason in [
                (Problem.SERVICE_NOT_FOUND, Accepted.SERVICE_NOT_FOUND),
                (Problem.NO_SERVICE, Accepted.NO_SERVICES),
                (Problem.SERVICE_WITHOUT_SELECTOR, Accepted.SERVICE_UNSUPPORTED),
                (Problem.EXTERNAL_NAME, Accepted.SERVICE_UNSUPPORTED),
                (Problem.HEADLESS, Accepted.SERVICE_UNSUPPORTED),
                (Problem.NOT_HTTP, Accepted.SERVICE_UNSUPPORTED),
                (Problem.OTHER_PODS, Accepted.SERVICE_UNSUPPORTED),
            ]
        ),
    ],
)
def test_what_cannot_be_carried_out_is_a_condition(change, accepted):
    """With a reason and a way out, and without any effect on the mesh."""
    made = plan(facts(demand=IDLE, rules=(ours(),), **change), NOW)
    assert accepted == reasons(made)["Accepted"]
    if accepted is Accepted.ACCEPTED:
        return
    assert made.status
    assert Ready.NOT_ACCEPTED == reasons(made)["Ready"]
    assert [Key("shop", "layby-cart")] == [removal.key for removal in made.delete]
    assert (None, None, None) == (made.scale, made.status.phase, made.status.services)
    assert [accepted] == told(made)
    assert made.events[0].warning
    assert made.events[0].note


@pytest.mark.parametrize(
    ("change", "attached", "ready"),
    [
        ({}, Attached.ATTACHED, Ready.READY),
        ({"gate": Gate(Attached.UNVERIFIED, "")}, Attached.UNVERIFIED, Ready.READY),
        ({"gate": Gate(Attached.PENDING, "")}, Attached.PENDING, Ready.NOT_ATTACHED),
        ({"gate": Gate(Attached.NO_PROXIES, "")}, Attached.NO_PROXIES, Ready.NOT_ATTACHED),
        ({"hold": read_hold(spec={"dryRun": True})}, Attached.DRY_RUN, Ready.DRY_RUN),
        (
            {"rules": (read_rule(spec={"trafficPolicy": {}}),)},
            Attached.NOT_READY_COUNTED,
            Ready.NOT_ATTACHED,
        ),
        (
            {"scaled_by": "ScaledObject cart"},
            Attached.ATTACHED,
            Ready.SCALER_NOT_READY,
        ),
        (
            {"demand": asleep(last_wake=FAILED), "ready_endpoints": 0},
            Attached.ATTACHED,
            Ready.WAKE_FAILED,
        ),
        ({"demand": asleep(last_wake=FAILED)}, Attached.ATTACHED, Ready.READY),
    ],
)
def test_ready_is_the_first_thing_that_is_wrong(change, attached, ready):
    """Whoever looks at one column sees where to look next."""
    made = plan(facts(**change), NOW)
    assert (attached, ready) == (reasons(made)["Attached"], reasons(made)["Ready"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ScalerReady.DIRECT),
        ({"scaled_by": "ScaledObject cart"}, ScalerReady.AUTOSCALER_CONFLICT),
        ({"scale_refused": "forbidden"}, ScalerReady.FORBIDDEN),
        ({"hold": read_hold(spec={"scaling": {"minReplicas": 2}})}, ScalerReady.NEVER_SLEEPS),
        ({"hold": read_hold(spec={"scaling": {"mode": "KEDA"}})}, ScalerReady.KEDA_NOT_INSTALLED),
    ],
)
def test_who_scales_it_is_said(change, expected):
    """And if nobody can, it is not put to sleep either."""
    made = plan(facts(demand=IDLE, **change), NOW)
    assert expected == reasons(made)["ScalerReady"]
    assert (expected is ScalerReady.DIRECT) is (made.scale is not None)


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({}, Phase.WARM),
        ({"demand": None}, Phase.WARM),
        ({"ready_endpoints": 0}, Phase.WAKING),
        ({"replicas": 0, "ready_endpoints": 0, "demand": IDLE}, Phase.ZERO),
        ({"replicas": 0, "ready_endpoints": 1, "demand": IDLE}, Phase.ZERO),
        ({"replicas": 0, "ready_endpoints": 0, "demand": asleep(pending=1)}, Phase.WAKING),
        ({"demand": IDLE}, Phase.ZERO),
        ({"demand": IDLE, "hold": read_hold(spec={"dryRun": True})}, Phase.IDLE),
        ({"demand": replace(IDLE, complete=False)}, Phase.WARM),
        ({"target": GONE}, None),
    ],
)
def test_the_phase_is_what_the_workload_is_doing(change, phase):
    """It is the first thing that people see of a TrafficHold."""
    status = plan(facts(**change), NOW).status
    assert status
    assert phase == status.phase


def test_a_workload_is_put_to_sleep_and_a_finalizer_says_so_first():
    """If the controller dies between the two, the workload is up, and the finalizer goes again."""
    made = plan(facts(replicas=3, demand=asleep(quiet=312.0)), NOW)
    assert made.scale
    assert (3, 0, True) == (made.scale.current, made.scale.desired, made.finalizer)
    assert "Deployment cart: 3 -> 0, no request for 5m12s" == made.scale.told.note
    assert plan(facts(has_finalizer=True), NOW).finalizer is False


def test_a_workload_that_is_up_again_needs_no_finalizer():
    """Deleting its TrafficHold must not wait for anything then."""
    woken = facts(has_finalizer=True, replicas=1, ready_endpoints=0)
    assert plan(woken, NOW).finalizer is False


@pytest.mark.parametrize(
    ("change", "replicas"),
    [
        ({}, None),
        ({"hold": read_hold(spec={"dryRun": True})}, 1),
        ({"hold": read_hold(spec={"scaling": {"minReplicas": 2}})}, 2),
        ({"leading": Leading(troubles=(Trouble(Problem.NO_SERVICE),))}, 1),
        ({"loss": WINNER}, None),
        ({"gate": Gate(Attached.PENDING, "")}, None),
        ({"target": GONE}, None),
        ({"scaled_by": "ScaledObject cart", "hold": read_hold(spec={"dryRun": True})}, None),
        ({"has_finalizer": False, "hold": read_hold(spec={"dryRun": True})}, None),
    ],
)
def test_what_layby_has_put_to_sleep_is_roused_when_nothing_would_wake_it(change, replicas):
    """Not for a proxy that starts, or every workload of the mesh would; nor what others scale."""
    base = {"replicas": 0, "ready_endpoints": 0, "demand": IDLE, "has_finalizer": True}
    made = plan(facts(**{**base, **change}), NOW)
    assert replicas == (made.scale.desired if made.scale else None)
    assert made.scale is None or (made.finalizer is False and made.scale.told.reason == "Woken")


DELETED = {"hold": read_hold(deletionTimestamp="2026-01-02T03:04:00Z"), "has_finalizer": True}
"""Five seconds ago."""


@pytest.mark.parametrize(
    ("change", "replicas", "finalizer"),
    [
        ({"has_finalizer": False, "replicas": 0}, None, None),
        ({"replicas": 0, "ready_endpoints": 0}, 1, None),
        ({"replicas": 1, "ready_endpoints": 0}, None, None),
        ({"replicas": 1, "ready_endpoints": 1}, None, False),
        ({"target": GONE}, None, False),
        ({"replicas": 0, "loss": WINNER}, None, False),
        ({"replicas": 0, "scale_refused": "forbidden"}, None, False),
        ({"replicas": 0, "scaled_by": "ScaledObject cart"}, None, False),
    ],
)
def test_a_workload_that_sleeps_is_woken_before_its_traffic_hold_goes(change, replicas, finalizer):
    """Nobody else would wake it. But a TrafficHold must not be stuck either."""
    made = plan(facts(**{**DELETED, **change}), NOW)
    assert replicas == (made.scale.desired if made.scale else None)
    assert finalizer is made.finalizer
    waits = change.get("ready_endpoints") == 0
    assert waits is (made.status is not None)
    assert not waits or Ready.TERMINATING == reasons(made)["Ready"]


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
    assert [(Key("shop", "layby-api"), "7")] == [tuple(each) for each in made.delete]


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


def test_the_number_of_parked_requests_is_not_written_for_each_of_them():
    """It is there to be looked at, every two seconds at most."""
    waking = {"ready_endpoints": 0}
    after = settled(facts(demand=asleep(pending=1, in_flight=1), **waking))
    more = replace(after, demand=asleep(pending=9, in_flight=9), status_age=0.5)
    assert plan(more, LATER).is_empty
    assert 1.5 == plan(more, LATER).again_after
    status = plan(replace(more, status_age=2.0), LATER).status
    assert status
    assert 9 == status.pending


def test_the_time_of_the_last_request_is_written_now_and_then():
    """It is there for when all hold servers are restarted, not for statistics."""
    after = settled(facts(demand=asleep(quiet=1.0, in_flight=1)))
    assert plan(after, NOW + timedelta(minutes=14)).is_empty
    status = plan(after, NOW + timedelta(minutes=16)).status
    assert status
    assert NOW + timedelta(minutes=16, seconds=-1) == status.last_request_time


def test_a_restart_of_the_hold_servers_does_not_forge_a_request():
    """They know of none then, and how long they have been up is no time of a request."""
    asked = settled(facts(demand=asleep(quiet=60.0)))
    restarted = replace(asked, demand=asleep(quiet=20.0, requested=False))
    assert plan(restarted, NOW + timedelta(hours=9)).is_empty


def test_how_many_proxies_there_are_is_no_reason_to_write():
    """Each pod that starts would have the statuses of all TrafficHolds written."""
    after = settled(facts())
    assert plan(replace(after, gate=ATTACHED._replace(message="2 of 2")), LATER).is_empty


def test_a_wake_is_told_once():
    """With how long it took, which is what people want to know."""
    made = plan(facts(demand=asleep(in_flight=1, last_wake=WOKEN)), NOW)
    assert [("Woken", "ready 1s250ms after the first request")] == [
        (event.reason, event.note) for event in made.events
    ]
    assert made.status
    assert WOKEN == made.status.last_wake
    failed = plan(facts(demand=asleep(pending=1, last_wake=FAILED), ready_endpoints=0), NOW)
    assert ["WakeFailed"] == told(failed)
    forgotten = replace(settled(facts(demand=asleep(last_wake=WOKEN))), demand=IDLE)
    status = plan(replace(forgotten, replicas=0), LATER).status
    assert status is None or WOKEN == status.last_wake


def test_what_becomes_well_again_is_told_too():
    """Whoever saw the warning wants to see its end."""
    after = settled(facts(target=GONE))
    well = replace(after, target=Workload.read(deployment()))
    made = plan(well, LATER)
    assert [("Accepted", False)] == [(event.reason, event.warning) for event in made.events]


def test_what_is_wrong_with_the_whole_mesh_is_not_told_by_each_traffic_hold():
    """2,000 Events would say the same."""
    made = plan(facts(gate=Gate(Attached.PENDING, "")), NOW)
    assert [] == told(made)
    mine = plan(facts(rules=(read_rule(spec={"trafficPolicy": {}}),)), NOW)
    assert [Attached.NOT_READY_COUNTED] == told(mine)


def test_skipped_services_are_named_in_the_condition():
    """Their callers are not held, which is to be known before it is noticed."""
    leading = Leading((read_service(),), skipped=(Trouble(Problem.HEADLESS, "peers"),))
    made = plan(facts(leading=leading), NOW)
    assert made.status
    assert "holds cart; not held: Service peers is headless" in made.status.conditions[0].message
