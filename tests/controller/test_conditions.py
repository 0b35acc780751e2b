from dataclasses import replace

import pytest

from controller.facts import Gate
from controller.plan import plan
from controller.services import Leading, Problem, Trouble
from controller.workload import Workload
from crds.condition import Accepted, Attached, Ready, ScalerReady
from crds.v1alpha1.traffichold import WakeOutcome
from kube.resource import Key
from tests.controller.objects import (
    asleep,
    deployment,
    facts,
    read_hold,
    read_rule,
    read_service,
)
from tests.controller.plans import (
    FAILED,
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
    # A target that is missing may be back in a moment.
    expected = [] if accepted is Accepted.TARGET_NOT_FOUND else [Key("shop", "layby-cart")]
    assert expected == [removal.key for removal in made.delete]
    assert (None, None, None) == (made.scale, made.status.phase, made.status.services)
    assert [accepted] == told(made)
    assert made.events[0].warning
    assert made.events[0].note


@pytest.mark.parametrize(
    ("change", "attached", "ready"),
    [
        ({}, Attached.ATTACHED, Ready.READY),
        ({"gate": Gate(Attached.UNVERIFIED, "")}, Attached.UNVERIFIED, Ready.READY),
        (
            {"gate": Gate(Attached.UNVERIFIED, ""), "demand": asleep(reported=False)},
            Attached.NO_REPORTS,
            Ready.READY,
        ),
        ({"demand": asleep(reported=False)}, Attached.ATTACHED, Ready.READY),
        ({"gate": Gate(Attached.PENDING, "")}, Attached.PENDING, Ready.NOT_ATTACHED),
        ({"gate": Gate(Attached.NO_PROXIES, "")}, Attached.NO_PROXIES, Ready.NOT_ATTACHED),
        ({"hold": read_hold(spec={"dryRun": True})}, Attached.DRY_RUN, Ready.DRY_RUN),
        (
            {"rules": (read_rule(spec={"trafficPolicy": {}}),)},
            Attached.NOT_READY_COUNTED,
            Ready.NOT_ATTACHED,
        ),
        (
            LEFT,
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
        (LEFT, ScalerReady.AUTOSCALER_CONFLICT),
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


def test_skipped_services_are_named_in_the_condition():
    """Their callers are not held, which is to be known before it is noticed."""
    leading = Leading((read_service(),), skipped=(Trouble(Problem.HEADLESS, "peers"),))
    made = plan(facts(leading=leading), NOW)
    assert made.status
    said = made.status.conditions[0].message
    assert "holds cart; not held, nor counted: Service peers is headless" in said


def test_ports_that_are_not_http_are_named_in_the_condition():
    """Their connections do not keep the workload up: somebody has to know before it is put to sleep
    under them.
    """
    ports = [{"name": "http", "port": 80}, {"name": "tcp-admin", "port": 9999}]
    leading = Leading((read_service(ports=ports), read_service("book")))
    made = plan(facts(leading=leading), NOW)
    assert made.status
    said = made.status.conditions[0].message
    assert "holds cart, book, but not cart:9999: not HTTP, and not counted" == said


def test_a_wake_is_told_once():
    """With how long it took, which is what people want to know."""
    made = plan(facts(demand=asleep(in_flight=1, last_wake=WOKEN)), NOW)
    assert [("Woke", "ready 1s250ms after the first request")] == [
        (event.reason, event.note) for event in made.events
    ]
    assert made.status
    assert WOKEN == made.status.last_wake
    late = FAILED.model_copy(update={"outcome": WakeOutcome.TIMED_OUT})
    assert ["WakeFailed"] == told(plan(facts(demand=asleep(pending=1, last_wake=late)), NOW))
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
