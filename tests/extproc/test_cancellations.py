"""A client that leaves at any moment frees its place, and disturbs nobody else."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from extproc.core.backend import SLOW_START_STEP
from extproc.core.hold import DRAINED, RELEASED, HoldQueue
from extproc.core.outcome import Outcome
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey
from extproc.throttler import Throttler
from tests.extproc.fake_waker import FakeWaker

pytestmark = pytest.mark.looptime

CART = WorkloadKey("shop", "cart")


@pytest.fixture
def throttler():
    throttler = Throttler(HoldQueue(max_pending=100, settle=Settle(first=0.0)), FakeWaker())
    throttler.replace({CART: Workload(CART, Hold(timeout=2.0))})
    return throttler


@asynccontextmanager
async def parked(throttler):
    """One request, parked, with another one beside it that must come to no harm.

    Not a fixture: those run in real time, before the loop's time begins.
    """
    task = asyncio.create_task(throttler.hold(CART, Request(), Chance()), name="request")
    other = asyncio.create_task(throttler.hold(CART, Request(), Chance()), name="other")
    await asyncio.sleep(0)
    assert throttler.pending() == 2
    yield task
    assert task.done()
    if not other.done():
        throttler.endpoints_changed(CART, 1)
    assert (await other).outcome in {Outcome.RELEASED, Outcome.EXPIRED, Outcome.DRAINED}
    assert throttler.pending() == throttler.pending(CART) == 0
    assert throttler._waiters == {}
    await asyncio.sleep(1)
    assert throttler._timers == {}


async def ended(task: asyncio.Task[object]) -> None:
    """Assert that the request ended as cancelled."""
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_before_it_began(throttler):
    """The stream was reset before its task had a turn."""
    task = asyncio.create_task(throttler.hold(CART, Request(), Chance()))
    task.cancel()
    await ended(task)
    assert (0, {}) == (throttler.pending(), throttler._waiters)


async def test_while_it_waits(throttler):
    """The common case: somebody pressed stop."""
    async with parked(throttler) as request:
        await asyncio.sleep(1)
        request.cancel()
        await ended(request)
        assert throttler.pending() == 1


async def test_in_the_same_tick_just_before_the_release(throttler):
    """It must not be counted as let go, nor its place be lost to the next one."""
    async with parked(throttler) as request:
        request.cancel()
        throttler.endpoints_changed(CART, 1)
        await ended(request)


async def test_in_the_same_tick_just_after_the_release(throttler):
    """The verdict is there, but nobody to hear it."""
    async with parked(throttler) as request:
        throttler.endpoints_changed(CART, 1)
        assert throttler.pending() == 1
        request.cancel()
        await ended(request)


async def test_in_the_same_tick_as_the_timer_that_lets_others_go(throttler):
    """The release of the next one in line must not be lost with the one that left."""
    async with parked(throttler) as request:
        others = [
            asyncio.create_task(throttler.hold(CART, Request(), Chance()), name=f"{n}")
            for n in range(5)
        ]
        await asyncio.sleep(0)
        throttler.endpoints_changed(CART, 1)
        asyncio.get_running_loop().call_later(SLOW_START_STEP, others[0].cancel)
        assert await request == RELEASED
        await asyncio.wait(others)
        assert {RELEASED} == {task.result() for task in others[1:]}


@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9])
async def test_in_the_tick_of_its_expiry(throttler, offset):
    """The deadline and the client's own timeout are often the same number."""
    async with parked(throttler) as request:
        loop = asyncio.get_running_loop()
        loop.call_at(2.0 + offset, request.cancel)
        await asyncio.wait([request])
        assert request.cancelled() or request.result().outcome is Outcome.EXPIRED


async def test_when_it_expires_in_the_tick_of_its_release(throttler):
    """It may end either way, but only once."""
    async with parked(throttler) as request:
        asyncio.get_running_loop().call_at(2.0, throttler.endpoints_changed, CART, 1)
        assert (await request).outcome in {Outcome.RELEASED, Outcome.EXPIRED}


async def test_in_the_tick_of_a_drain(throttler):
    """Everybody leaves at once when a process ends."""
    async with parked(throttler) as request:
        throttler.drain()
        request.cancel()
        await ended(request)


async def test_twice(throttler):
    """Envoy resets the stream, then the server stops."""
    async with parked(throttler) as request:
        request.cancel()
        request.cancel()
        await ended(request)


async def test_while_others_are_being_let_go(throttler):
    """Half of a crowd leaves in the middle of its release."""
    tasks = [
        asyncio.create_task(throttler.hold(CART, Request(), Chance()), name=f"{n}")
        for n in range(60)
    ]
    await asyncio.sleep(0)
    throttler.endpoints_changed(CART, 1)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.wait(tasks)
    assert {RELEASED} == {task.result() for task in tasks[1::2]}
    assert all(task.cancelled() for task in tasks[2::2])
    assert (0, {}) == (throttler.pending(), throttler._waiters)


async def test_the_wait_for_the_queue_to_empty(throttler):
    """A second Ctrl-C ends the drain; the requests are still there to be answered."""
    async with parked(throttler) as request:
        waiting = asyncio.create_task(throttler.emptied(60))
        await asyncio.sleep(0)
        waiting.cancel()
        await ended(waiting)
        assert throttler.pending() == 2
        throttler.drain()
        assert await request == DRAINED
