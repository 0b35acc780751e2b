"""What the controller reports of what it does and finds."""

import pytest

from telemetry.catalogue.controlling import (
    CONDITION,
    DRY_RUN_SLEEPS,
    LEADER,
    QUEUE,
    RECONCILE,
    SAVED_CPU,
    SLEEP_VERDICT,
    SLEEPS,
    ZERO_TIME,
)
from tests.controller.looking import begin, cart
from tests.controller.objects import deployment, hold

pytestmark = pytest.mark.looptime

CART = ("shop", "cart")


def read(running):
    """What is counted, by metric."""
    return {each.metric: each.values for each in running.reports.read()}


def with_cpu(*items):
    """Have each pod of `cart` request half a core."""
    request = {"containers": [{"resources": {"requests": {"cpu": "500m"}}}]}
    for item in items:
        if item.get("kind") == "Deployment":
            item["spec"]["template"]["spec"] = request
    return items


async def test_one_that_is_put_to_sleep_begins_to_save(running):
    """Which is what Layby is for; a manager asks for the sum."""
    await begin(running, *with_cpu(*cart()[:3], hold(spec={"wake": {"replicas": 2}})))
    running.demand.say("cart")
    await running.settle()
    found = read(running)
    assert {(*CART, "RecentRequest"): 1.0} == found[SLEEP_VERDICT]
    assert {CART: 0.0} == found[SLEEPS]
    assert {CART: 0.0} == found[ZERO_TIME]
    await running.settle(305.0)
    asleep = read(running)
    assert {CART: 1.0} == asleep[SLEEPS]
    assert {(*CART, "AlreadyZero"): 1.0} == asleep[SLEEP_VERDICT]
    await running.settle(100.0)
    later = read(running)
    assert pytest.approx(100.0) == later[ZERO_TIME][CART] - asleep[ZERO_TIME][CART]
    assert pytest.approx(100.0) == later[SAVED_CPU][CART] - asleep[SAVED_CPU][CART]


async def test_conditions_queues_and_the_leader_are_told(running):
    """An alert on one that is not attached is worth more than a look at each."""
    assert {(): 0.0} == read(running)[LEADER]
    assert {} == read(running)[QUEUE]
    await begin(running, *cart())
    found = read(running)
    assert {(): 1.0} == found[LEADER]
    conditions = {labels[2:] for labels in found[CONDITION] if labels[:2] == CART}
    assert ("Accepted", "True") in conditions
    assert {"Accepted", "Attached", "ScalerReady", "Ready"} == {kind for kind, _ in conditions}
    assert 9 == len(found[QUEUE])
    assert 0 == found[QUEUE]["TrafficHold", "running"]
    [looks] = [each for each in running.reports.read() if each.metric is RECONCILE]
    done = {labels for labels, each in looks.distributions.items() if any(each.counts)}
    assert {("TrafficHold", "ok"), ("HoldPolicy", "ok")} <= done


async def test_of_one_that_is_invalid_the_condition_is_told(running):
    """It is not reconciled any further."""
    item = hold()
    item["spec"]["hold"] = {"timeout": "soon"}
    await begin(running, deployment(), item)
    assert read(running)[CONDITION][*CART, "Accepted", "False"]


async def test_of_one_without_a_workload_no_rest_is_told(running):
    """What is not there saves nothing."""
    await begin(running, hold())
    await running.settle(60.0)
    assert {CART: 0.0} == read(running)[ZERO_TIME]


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        (None, {CART: 1.0}),
        ({"since": "2026-11-24T15:20:14Z", "sleeps": 4, "asleep": True}, {CART: 0.0}),
    ],
)
async def test_what_would_have_been_is_counted_from_the_first_look_on(running, told, counted):
    """As the status has it, which goes on where another controller was."""
    status = {"status": {"dryRun": told}} if told else {}
    item = {**hold(spec={"dryRun": True}), **status}
    running.demand.say("cart", quiet=3600.0, complete=False)
    await begin(running, *cart()[:3], item)
    await running.settle(310.0)
    assert {} == read(running)[DRY_RUN_SLEEPS]
    running.demand.say("cart", quiet=3600.0)
    await running.settle(1.0)
    assert counted == read(running)[DRY_RUN_SLEEPS]


async def test_one_that_is_gone_is_forgotten(running):
    """Series of deleted TrafficHolds would pile up."""
    await begin(running, *cart())
    assert read(running)[SLEEP_VERDICT]
    running.cluster.lose(hold())
    await running.settle()
    assert {} == read(running)[SLEEP_VERDICT]


async def test_one_that_leads_no_longer_tells_nothing_that_was_true(running):
    """The next leader tells now; the sum of both would be wrong."""
    await begin(running, *cart())
    await running.stop()
    found = read(running)
    assert ({}, {}, {(): 0.0}) == (found[SLEEP_VERDICT], found[CONDITION], found[LEADER])
