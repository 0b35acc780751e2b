import asyncio
import gc
from contextlib import asynccontextmanager

import pytest

from extproc.scaler.pushes import HEAD_START_SECONDS, REPEAT_SECONDS, Pushes
from feed.board import HoldName, Share
from tests.extproc.scaler.keda import AWAITED, CART, QUIET, ScriptedDemand

pytestmark = pytest.mark.looptime


class Follower:
    """What one that follows a hold is told, and when."""

    def __init__(self, pushes: Pushes, hold: HoldName = CART) -> None:
        self.told: list[tuple[float, bool]] = []
        self.task = asyncio.create_task(self._follow(pushes, hold), name="follower")

    async def _follow(self, pushes: Pushes, hold: HoldName) -> None:
        async for active in pushes.follow(hold):
            self.told.append((asyncio.get_running_loop().time(), active))


@asynccontextmanager
async def following(demand: ScriptedDemand):
    """A follower of `cart`, that has begun."""
    pushes = Pushes(demand)
    follower = Follower(pushes)
    await asyncio.sleep(0)
    try:
        yield follower
    finally:
        pushes.close()
        await follower.task


async def test_it_is_told_that_somebody_waits_once_the_hold_server_has_had_its_turn():
    """Told sooner, KEDA finds an old scale in its cache, and writes what is there already."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        await asyncio.sleep(5)
        demand.say(AWAITED)
        await asyncio.sleep(0.5)
    assert [(5 + HEAD_START_SECONDS, True)] == follower.told


async def test_it_is_told_if_somebody_waits_already():
    """KEDA may connect, or come back, in the middle of a cold start."""
    demand = ScriptedDemand()
    demand.say(AWAITED)
    async with following(demand) as follower:
        await asyncio.sleep(0.5)
    assert [(HEAD_START_SECONDS, True)] == follower.told


async def test_a_start_that_is_over_before_its_turn_is_none_of_its_business():
    """It was quick; the next poll says that there has been a request."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        demand.say(AWAITED)
        await asyncio.sleep(HEAD_START_SECONDS / 2)
        demand.say(QUIET)
        await asyncio.sleep(5)
    assert [] == follower.told


async def test_a_start_that_is_over_has_the_next_one_wait_for_its_own_turn():
    """Each wake has a race of its own."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        demand.say(AWAITED)
        await asyncio.sleep(0.2)
        demand.say(QUIET)
        demand.say(AWAITED)
        await asyncio.sleep(0.5)
    assert [(0.2 + HEAD_START_SECONDS, True)] == follower.told


async def test_it_is_told_again_every_second_while_somebody_waits_and_then_no_more():
    """KEDA drops what comes before its autoscaler is there; and what is repeated with nobody
    waiting would keep the workload awake for ever.
    """
    demand = ScriptedDemand()
    async with following(demand) as follower:
        demand.say(AWAITED)
        await asyncio.sleep(2.5)
        demand.say(Share(waking=True))
        await asyncio.sleep(1)
        demand.say(Share(in_flight=5, last_request=3.5))
        await asyncio.sleep(60)
    first = HEAD_START_SECONDS
    assert [(first + n, True) for n in range(4)] + [(3.5, False)] == follower.told


async def test_what_is_over_without_a_word_is_noticed_with_the_next_repetition():
    """The hold server where it was parked has died, and its part is no longer counted."""
    demand = ScriptedDemand()
    demand.say(AWAITED)
    async with following(demand) as follower:
        await asyncio.sleep(0.5)
        del demand.shares[CART]
        await asyncio.sleep(10)
    first = HEAD_START_SECONDS
    assert [(first, True), (first + REPEAT_SECONDS, False)] == follower.told


async def test_every_further_request_is_not_told():
    """Only that somebody waits, not how many; a burst is thousands."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        for pending in range(1, 1000):
            demand.say(Share(pending=pending))
            await asyncio.sleep(0)
        await asyncio.sleep(HEAD_START_SECONDS)
    assert [(HEAD_START_SECONDS, True)] == follower.told


async def test_whoever_waits_no_longer_when_it_would_be_told_was_let_go_at_once():
    """There is nothing to do for KEDA."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        demand.say(AWAITED)
        demand.say(QUIET)
        await asyncio.sleep(5)
    assert [] == follower.told


async def test_the_demand_for_another_hold_is_none_of_its_business():
    """Nor does it cost anything."""
    demand = ScriptedDemand()
    async with following(demand) as follower:
        asked = demand.asked
        demand.say(AWAITED, HoldName("shop", "till"))
        await asyncio.sleep(5)
    assert [] == follower.told
    assert asked == demand.asked


async def test_hundreds_of_followers_of_sleeping_holds_do_nothing_at_all():
    """A stream for each of 500 workloads is open for ever, and the loop is the hold queue's."""
    demand = ScriptedDemand()
    pushes = Pushes(demand)
    holds = [HoldName("shop", f"hold-{number}") for number in range(500)]
    followers = [Follower(pushes, hold) for hold in holds]
    await asyncio.sleep(0)
    asked = demand.asked
    await asyncio.sleep(3600)
    assert asked == demand.asked
    demand.say(AWAITED, holds[250])
    await asyncio.sleep(0.5)
    assert asked + 2 == demand.asked
    assert [250] == [number for number, each in enumerate(followers) if each.told]
    pushes.close()
    await asyncio.wait([each.task for each in followers])


async def test_followers_of_one_hold_are_all_told():
    """KEDA has a stream for each trigger, and for a while two after it was restarted."""
    demand = ScriptedDemand()
    pushes = Pushes(demand)
    followers = [Follower(pushes) for _ in range(3)]
    await asyncio.sleep(1)
    demand.say(AWAITED)
    await asyncio.sleep(0.5)
    pushes.close()
    await asyncio.wait([each.task for each in followers])
    assert [[(1 + HEAD_START_SECONDS, True)]] * 3 == [each.told for each in followers]


@pytest.mark.parametrize("share", [QUIET, AWAITED])
async def test_closing_ends_whoever_follows_and_whoever_comes_later(share):
    """A follower that is left would keep the process."""
    demand = ScriptedDemand()
    demand.say(share)
    pushes = Pushes(demand)
    first = Follower(pushes)
    await asyncio.sleep(0.5)
    pushes.close()
    late = Follower(pushes)
    async with asyncio.timeout(0.1):
        await asyncio.wait([first.task, late.task])
    assert [] == late.told


@pytest.mark.parametrize("share", [QUIET, AWAITED])
async def test_a_follower_that_is_cancelled_leaves_nothing_behind(share):
    """KEDA comes and goes for as long as the hold server runs."""
    demand = ScriptedDemand()
    demand.say(share)
    pushes = Pushes(demand)
    follower = Follower(pushes)
    await asyncio.sleep(0.5)
    follower.task.cancel()
    await asyncio.wait([follower.task])
    del follower
    gc.collect()
    await asyncio.sleep(0)
    assert [] == list(pushes._edges)
    demand.say(AWAITED)
