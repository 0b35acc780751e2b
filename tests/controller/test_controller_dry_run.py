"""The controller reports what it would do, and does none of it."""

import pytest

from kube.resource import DESTINATION_RULES, TRAFFIC_HOLDS, Key
from tests.controller.looking import begin, cart, events, replicas, status
from tests.controller.objects import hold

pytestmark = pytest.mark.looptime
CART = Key("shop", "cart")


async def test_what_is_only_rehearsed_is_never_scaled_and_told_of(running):
    """Whoever tries it first must lose nothing by it, and learn something."""
    await begin(running, *cart())
    cluster, demand = running.cluster, running.demand
    cluster.have(hold(spec={"dryRun": True}))
    demand.say("cart", quiet=3600.0, requests=7)
    await running.settle(310.0)
    assert 1 == replicas(cluster)
    assert [] == cluster.names(DESTINATION_RULES)
    told = status(cluster)["dryRun"]
    assert (True, 1, 0) == (told["asleep"], told["sleeps"], told["requests"])
    assert ["WouldSleep"] == events(cluster)
    assert {CART} == demand.watched
    demand.say("cart", requests=8)
    await running.settle(1.0)
    assert not status(cluster)["dryRun"]["asleep"]
    assert set() == demand.watched


async def test_nobody_is_asked_about_what_is_gone(running):
    """Each request of whoever takes its name would be one more look."""
    await begin(running, *cart())
    running.cluster.have(hold(spec={"dryRun": True}))
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert {CART} == running.demand.watched
    running.cluster.delete(hold())
    await running.settle(1.0)
    assert running.cluster.find(TRAFFIC_HOLDS, "cart") is None
    assert set() == running.demand.watched
