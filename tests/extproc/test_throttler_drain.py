import asyncio

import pytest

from extproc.core.hold import DRAINED, RELEASED
from extproc.core.probe import Request
from tests.extproc.throttler_rig import CART, FIRST, LAST, nothing_left, park

pytestmark = pytest.mark.looptime


async def test_draining_answers_those_who_wait_and_those_who_come(throttler):
    """Nobody may be left behind in a process that ends."""
    tasks = await park(throttler, 3)
    throttler.drain()
    assert {DRAINED} == set(await asyncio.gather(*tasks))
    assert await throttler.hold(CART, Request(), FIRST) == DRAINED
    assert nothing_left(throttler)


async def test_emptied_returns_once_nobody_waits(throttler, looptime):
    """A drain need not take longer than the last cold start."""
    tasks = await park(throttler, 3)
    asyncio.get_running_loop().call_later(2, throttler.endpoints_changed, CART, 1)
    await throttler.emptied(60)
    assert float(looptime) == pytest.approx(2.0, abs=0.02)
    assert all([await task == RELEASED for task in tasks])


async def test_emptied_gives_up_when_patience_ends_and_cancels_nobody(throttler, looptime):
    """What then becomes of them is for the caller to say."""
    (task,) = await park(throttler)
    await throttler.emptied(5)
    assert looptime == 5
    assert not task.done()
    throttler.drain()
    assert await task == DRAINED


async def test_emptied_with_nobody_waiting_returns_at_once(throttler, looptime):
    """Most servers that end hold nothing."""
    await throttler.emptied(60)
    assert looptime == 0


async def test_emptied_waits_for_whoever_was_let_go_too_early(throttler, looptime):
    """Refused on its next chance, such a request would have been lost by the drain."""
    loop = asyncio.get_running_loop()
    (task,) = await park(throttler)
    loop.call_later(2, throttler.endpoints_changed, CART, 1)
    draining = asyncio.create_task(throttler.emptied(60, comeback=0.1))
    assert await task == RELEASED
    throttler.endpoints_changed(CART, 0)
    await asyncio.sleep(0.05)
    (again,) = await park(throttler, chance=LAST)
    await asyncio.sleep(3)
    assert not draining.done()
    throttler.endpoints_changed(CART, 1)
    assert await again == RELEASED
    await draining
    assert float(looptime) == pytest.approx(5.15, abs=0.03)


async def test_emptied_waits_for_whoever_was_let_go_just_before(throttler, looptime):
    """Nobody is parked at that moment, and yet one may be on the way back."""
    (task,) = await park(throttler)
    throttler.endpoints_changed(CART, 1)
    assert await task == RELEASED
    await throttler.emptied(60, comeback=0.1)
    assert float(looptime) == pytest.approx(0.1, abs=0.02)
