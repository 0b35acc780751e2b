"""Subsets of a Service with several workloads behind it, in the mind and on a cluster in memory."""

from dataclasses import replace

import pytest

from controller.plan import plan
from controller.subsets import unheld_subsets
from controller.workload import Workload
from crds.condition import Attached, Ready
from tests.controller.looking import begin, reason, replicas
from tests.controller.objects import (
    deployment,
    endpoints,
    facts,
    hold,
    read_hold,
    read_rule,
    rule,
    service,
)
from tests.controller.plans import GONE, IDLE, LATER, NOW, WINNER, reasons, settled, told

COLD = {"app": "cart", "version": "cold"}
WARM = {"app": "cart", "version": "warm"}
OWNER = {"uid": "x", "kind": "Deployment", "name": "warm", "controller": True}


def subsets(*labels):
    """Return the spec of a DestinationRule with such subsets, named by their version."""
    named = ({"name": each.get("version", "all"), "labels": each} for each in labels)
    return {"subsets": list(named)}


def scene(*, subset=COLD, pod=WARM, up=1, **more):
    """Return facts of a workload beside another one."""
    other = Workload.read(deployment("warm", pod=pod, replicas=up))
    made = facts(
        target=Workload.read(deployment(pod=COLD)),
        neighbours={"cart": (other,)},
        rules=(read_rule(spec=subsets(subset)),),
        demand=IDLE,
    )
    return replace(made, **more)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"up": None}, True),
        ({"up": 0}, False),
        ({"subset": {"app": "cart"}}, False),
        ({"subset": WARM}, False),
        ({"pod": COLD}, False),
        ({"neighbours": {}}, False),
        ({"rules": ()}, False),
        ({"rules": (read_rule(host="other.shop.svc.cluster.local", spec=subsets(COLD)),)}, False),
        ({"target": Workload.read(deployment(pod=None) | {"spec": {"replicas": 1}})}, True),
        ({"target": GONE}, False),
        ({"loss": WINNER}, False),
    ],
)
def test_a_subset_without_the_others_that_are_up_is_not_held(change, expected):
    """Without subsets, or with one that has all pods, Envoy counts what hold servers count."""
    assert expected is bool(unheld_subsets(scene(**change)))


def test_it_is_said_with_what_to_do_and_the_workload_stays_up():
    """Its requests would get 503, though it would seem to be held."""
    made = plan(scene(), NOW)
    assert (Attached.SUBSET_NOT_HELD, Ready.NOT_ATTACHED) == (
        reasons(made)["Attached"],
        reasons(made)["Ready"],
    )
    assert [Attached.SUBSET_NOT_HELD] == told(made)
    assert made.events[0].note == (
        "Service cart leads to Deployment warm too, which subset cold does not: its requests get "
        "503 while Deployment cart has no ready pod. Route to a Service that selects the pods of "
        "Deployment cart alone instead of the subset"
    )
    assert made.scale is None
    assert plan(settled(settled(scene())), LATER).is_empty


def test_what_sleeps_is_roused_when_a_neighbour_comes_up():
    """From then on nothing would wake it by its subset."""
    made = plan(scene(replicas=0, has_finalizer=True), NOW)
    assert made.scale
    assert (1, "Waking") == (made.scale.desired, made.scale.told.reason)
    dry = scene(hold=read_hold(spec={"dryRun": True}))
    assert Attached.SUBSET_NOT_HELD == reasons(plan(dry, NOW))["Attached"]


@pytest.mark.looptime
async def test_it_is_noticed_when_a_neighbour_comes_and_goes(running):
    """Neither of them is the TrafficHold's target, nor made by Layby."""
    warm = deployment("warm", pod=WARM, replicas=0)
    part = deployment("part", pod=WARM, ownerReferences=[OWNER])
    items = (deployment(pod=COLD, replicas=0), service(), endpoints(ready=0), hold())
    await begin(running, *items, warm, part, rule(spec=subsets(COLD)))
    cluster = running.cluster
    assert "SubsetNotHeld" != reason(cluster, "Attached")
    cluster.scale(warm, 1)
    await running.settle()
    assert ("SubsetNotHeld", 1) == (reason(cluster, "Attached"), replicas(cluster))
    cluster.scale(warm, 0)
    await running.settle()
    assert "SubsetNotHeld" != reason(cluster, "Attached")
    assert 1 == replicas(cluster)
