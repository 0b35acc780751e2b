"""What a controller's page shows."""

import asyncio
from datetime import UTC, datetime

import pytest

from controller.looks import Look
from controller.showing import Showing
from controller.sleep import Reason
from feed.board import HoldName, Share
from feed.hold_servers import HoldServers
from feed.start import Start
from kube.leader import Leader
from kube.lease import Claim
from kube.resource import Key
from kube.store import Store
from page.snapshot import Name, Outcome, Phase, Stage
from telemetry.cold_start import Ending, Mark
from tests.controller.objects import hold
from tests.kube.fake_api import FakeApi

CART = Key("shop", "cart")
NAME = HoldName(*CART)
OLD = 100.0
STATUS = {
    "phase": "Waking",
    "conditions": [
        {
            "type": "Attached",
            "status": "False",
            "reason": "NotAttached",
            "message": "2 of 5 proxies lack the gate",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ],
}
READY = Start(1000.0, ((Mark.SCALED, 0.5), (Mark.RELEASED, 2.0)), Ending.READY, 2.0, "layby")


class Scene:
    """TrafficHolds, one hold server, and a controller that leads."""

    def __init__(self):
        api = FakeApi()
        self.hold_servers = HoldServers(api.kube, "layby-system", "layby")
        self.leader = Leader(api.kube, Key("layby-system", "layby"), "layby-controller-0_1234")
        self.store = Store()
        self._version = 0
        self.looks = {CART: Look(Reason.NOT_ATTACHED, 1, 0, 60.0, 0)}
        self.leads(own=True)
        self.showing = Showing(self.store, self.hold_servers, self.leader, lambda: self.looks)
        self.put()

    def put(self, status=STATUS, **more):
        self._version += 1
        self.store.put(CART, hold(status=status, resourceVersion=str(self._version), **more))

    def leads(self, *, own, holder="layby-controller-0_1234"):
        claim = Claim(holder, 15.0, "", 0, "", "1")
        now = asyncio.get_running_loop().time()
        self.leader._observer.free_at(claim, now)
        self.leader._claim, self.leader._until = (claim, now + 60) if own else (None, 0.0)

    def hear(self, share, *, age=OLD):
        """A hold server says something."""
        now = asyncio.get_running_loop().time()
        self.hold_servers._board.expect(["a"], now)
        self.hold_servers._board.hear("a", {NAME: share}, age, now, log_streams=1)
        self.hold_servers._look()

    def look(self):
        return self.showing.look()

    def cart(self):
        [found] = self.look().workloads
        return found


@pytest.fixture
async def scene():
    return Scene()


async def test_status_demand_and_the_leaders_look_make_one_picture(scene):
    now = asyncio.get_running_loop().time()
    scene.hear(Share(3, 4, 0.5, now - 7.0, waking=True))
    found = scene.cart()
    assert (Name("shop", "cart"), "Deployment cart", Phase.WAKING) == (
        found.name,
        found.target,
        found.phase,
    )
    assert (3, 4, 0.5, 1, 0) == (
        found.parked,
        found.in_flight,
        found.rate,
        found.replicas,
        found.ready,
    )
    assert pytest.approx(7.0, abs=1.0) == found.quiet
    assert "NotAttached" == found.verdict
    assert "stays up: some proxies would not hold its requests" == found.why
    assert [("Attached", "2 of 5 proxies lack the gate")] == [
        (each.type, each.message) for each in found.conditions
    ]
    snapshot = scene.look()
    assert (True, "", True) == (snapshot.leads, snapshot.leader, snapshot.complete)


async def test_a_follower_shows_no_look_of_an_earlier_term_and_says_who_leads(scene):
    """What was found then is not so any more."""
    scene.leads(own=False, holder="layby-controller-1_5678")
    snapshot = scene.look()
    assert (False, "layby-controller-1") == (snapshot.leads, snapshot.leader)
    [found] = snapshot.workloads
    assert (None, None, "", "") == (found.replicas, found.ready, found.verdict, found.why)
    assert Phase.WAKING is found.phase


async def test_nobody_leads_after_this_one_has_lost_its_lease(scene):
    scene.leads(own=False)
    assert (False, "") == (scene.look().leads, scene.look().leader)


async def test_without_a_word_of_any_hold_server_no_numbers_are_shown(scene):
    """Zero parked would be a claim."""
    found = scene.cart()
    assert (None, None, None, None) == (found.parked, found.in_flight, found.rate, found.quiet)
    assert not scene.look().complete


async def test_the_last_request_is_remembered_by_the_status(scene):
    """Hold servers that were all replaced know of none."""
    scene.put({**STATUS, "lastRequestTime": "2026-01-02T03:04:05Z"})
    then = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert pytest.approx(scene.look().at - then, abs=5.0) == scene.cart().quiet


async def test_a_wake_is_shown_as_it_goes_on_and_remembered_when_it_is_over(scene):
    now = asyncio.get_running_loop().time()
    scene.hear(Share(1, 1, 0.1, now, start=READY))
    second = Start(scene.look().at - 3.0, ((Mark.SCALED, 0.1),))
    scene.hear(Share(1, 1, 0.1, now, start=second))
    going_on, over = scene.cart().wakes
    assert (Outcome.GOING_ON, Outcome.SUCCEEDED) == (going_on.outcome, over.outcome)
    assert pytest.approx(3.0, abs=1.0) == going_on.seconds
    assert Stage("schedule", 0.1, None) == going_on.stages[-1]
    assert (2.0, "layby") == (over.seconds, over.scaled_by)


async def test_wakes_are_remembered_though_nobody_looked(scene):
    """Whoever opens the page wants to see what has just been."""
    now = asyncio.get_running_loop().time()
    scene.hear(Share(1, 1, 0.1, now, start=READY))
    failed = Start(2000.0, (), Ending.FAILED, 1.0, "", "no image")
    scene.hear(Share(0, 0, 0.1, now, start=failed))
    assert [Outcome.FAILED, Outcome.SUCCEEDED] == [each.outcome for each in scene.cart().wakes]
    assert "no image" == scene.cart().wakes[0].reason


async def test_a_hold_server_that_refuses_the_token_is_told_of(scene):
    """The page is where somebody looks who wonders why nothing sleeps."""
    assert () == scene.look().notices
    scene.hold_servers._feed._refused["10.0.0.1:9003"] = "no token was shown"
    assert ("A hold server says that no token was shown.",) == scene.look().notices


async def test_the_statuss_last_wake_is_shown_if_nothing_better_is_known(scene):
    """It outlives the hold servers; its stages do not."""
    last = {"at": "2026-01-02T03:04:05Z", "duration": "1.5s", "outcome": "Failed"}
    last["reason"] = "quota"
    scene.put({**STATUS, "lastWake": last})
    [wake] = scene.cart().wakes
    assert (1.5, Outcome.FAILED, ()) == (wake.seconds, wake.outcome, wake.stages)
    assert "quota" == wake.reason


async def test_one_that_cannot_be_read_is_shown_all_the_same(scene):
    """It is the one that somebody has to repair."""
    scene.put(spec={"targetRef": 7})
    found = scene.cart()
    assert (Phase.UNKNOWN, None) == (found.phase, found.parked)
    assert "cannot be read" in found.why


async def test_one_that_nobody_has_judged_yet_has_no_phase(scene):
    scene.put({})
    assert Phase.UNKNOWN is scene.cart().phase


async def test_an_object_is_parsed_once_and_forgotten_with_it(scene):
    """There may be thousands, twice a second."""
    scene.cart()
    first = scene.showing._parsed[CART]
    scene.cart()
    assert first is scene.showing._parsed[CART]
    scene.store.remove(CART)
    assert () == scene.look().workloads
    assert {} == scene.showing._parsed
