import asyncio

import pytest

from extproc.core.coldstart import FIRST_GUESS
from extproc.core.hold import READY, RELEASED, UNMANAGED
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import Request
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.throttler import BATCH
from tests.extproc.throttler_rig import CART, FIRST, LAST, nothing_left, park, throttler_for

pytestmark = pytest.mark.looptime


async def test_a_parked_request_wakes_its_workload_and_goes_on_when_it_is_ready(
    throttler, waker, looptime
):
    """The whole product, once more, with the waiting in it."""
    (task,) = await park(throttler)
    assert [CART] == waker.woken
    assert throttler.pending() == throttler.pending(CART) == 1
    await asyncio.sleep(3)
    throttler.endpoints_changed(CART, 1)
    assert await task == RELEASED
    assert looptime == 3
    assert nothing_left(throttler)


@pytest.mark.parametrize("key", [CART, WorkloadKey("shop", "stranger")])
async def test_a_request_that_need_not_wait_is_answered_at_once(throttler, waker, key):
    """Without even a turn of the loop: it is a warm request that came by chance."""
    throttler.endpoints_changed(CART, 1)
    verdict = await throttler.hold(key, Request(), FIRST)
    assert verdict == (READY if key == CART else UNMANAGED)
    assert [] == waker.woken
    assert nothing_left(throttler)


async def test_patience_ends_at_the_deadline(throttler, looptime):
    """Not later, for the client counts too; not earlier, for the workload may just be there."""
    throttler.replace({CART: Workload(CART, Hold(timeout=2.5))})
    (task,) = await park(throttler)
    detail = "cart could not take the request within 2.5 s."
    expected = Verdict(Outcome.EXPIRED, Cause.TIMEOUT, detail, FIRST_GUESS - 2.5)
    assert expected == await task
    assert looptime == 2.5
    assert nothing_left(throttler)


async def test_a_request_that_has_gone_on_leaves_no_timer(throttler):
    """It would keep the request's memory until a deadline that nobody has any more."""
    tasks = await park(throttler, 50)
    throttler.endpoints_changed(CART, 1)
    await asyncio.gather(*tasks)
    timers = vars(asyncio.get_running_loop())["_scheduled"]
    assert [] == [timer for timer in timers if not timer.cancelled()]


async def test_each_request_has_its_own_deadline(throttler, looptime):
    """A shared timer would expire the second with the first."""
    throttler.replace({CART: Workload(CART, Hold(timeout=2.0))})
    (first,) = await park(throttler)
    await asyncio.sleep(1)
    (second,) = await park(throttler)
    assert (await first).outcome is Outcome.EXPIRED
    assert looptime == 2
    throttler.endpoints_changed(CART, 1)
    assert await second == RELEASED


async def test_release_waits_for_envoy_to_settle(waker, looptime):
    """The timer, not a poll."""
    throttler = throttler_for(waker, settle=0.5)
    (task,) = await park(throttler)
    throttler.endpoints_changed(CART, 1)
    assert await task == RELEASED
    assert float(looptime) == pytest.approx(0.5, abs=0.02)


async def test_paced_requests_go_one_by_one(waker, looptime):
    """A cold JVM that gets a thousand requests at once is not warm afterwards, but dead."""
    throttler = throttler_for(waker, release_rate=4.0)
    tasks = await park(throttler, 5)
    throttler.endpoints_changed(CART, 1)
    times = []
    for task in tasks:
        assert await task == RELEASED
        times.append(float(looptime))
    assert pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0]) == times


async def test_a_new_pace_takes_effect_at_once(waker, looptime):
    """The timer was set for the old one, perhaps minutes away."""
    throttler = throttler_for(waker, release_rate=0.01)
    first, second = await park(throttler, 2)
    throttler.endpoints_changed(CART, 1)
    assert await first == RELEASED
    throttler.replace({CART: Workload(CART)})
    assert await second == RELEASED
    assert looptime < 1


async def test_a_crowd_goes_in_batches_with_turns_of_the_loop_between(throttler):
    """Health checks and access logs are served while ten thousand are let go."""
    loop = asyncio.get_running_loop()
    ended_by_turn: list[int] = [0]

    def ended(_: object) -> None:
        if not ended_by_turn[-1]:
            loop.call_soon(ended_by_turn.append, 0)
        ended_by_turn[-1] += 1

    tasks = await park(throttler, 20 * BATCH)
    for task in tasks:
        task.add_done_callback(ended)
    throttler.endpoints_changed(CART, 1)
    assert {RELEASED} == set(await asyncio.gather(*tasks))
    assert (20 * BATCH, BATCH) == (sum(ended_by_turn), max(ended_by_turn))
    assert nothing_left(throttler)


async def test_they_go_in_the_order_in_which_they_came(throttler):
    """Clients time out in that order too."""
    order: list[str] = []
    tasks = await park(throttler, 3 * BATCH)
    for task in tasks:
        task.add_done_callback(lambda task: order.append(task.get_name()))
    throttler.endpoints_changed(CART, 1)
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    assert [f"request {n}" for n in range(3 * BATCH)] == order


async def test_an_early_request_needs_no_further_event(waker, looptime):
    """Nothing may happen any more: the endpoint is ready, only Envoy has not heard."""
    throttler = throttler_for(waker, settle=0.5)
    throttler.endpoints_changed(CART, 1)
    (task,) = await park(throttler)
    (last,) = await park(throttler, chance=LAST)
    assert await task == RELEASED
    assert float(looptime) == pytest.approx(0.5, abs=0.02)
    assert await last == RELEASED
    assert float(looptime) == pytest.approx(5.0, abs=0.02)
    assert [] == waker.woken


async def test_endpoints_lost_before_the_release_wake_the_workload_again(waker):
    """Nobody else will: KEDA may have just scaled it in."""
    throttler = throttler_for(waker, settle=1.0)
    (task,) = await park(throttler)
    throttler.endpoints_changed(CART, 1)
    throttler.endpoints_changed(CART, 0)
    assert [CART, CART] == waker.woken
    await asyncio.sleep(5)
    assert not task.done()
    throttler.endpoints_changed(CART, 1)
    assert await task == RELEASED


async def test_endpoints_lost_with_nobody_waiting_wake_nothing(throttler, waker):
    """Going to sleep is what endpoints do here all day."""
    throttler.endpoints_changed(CART, 1)
    throttler.endpoints_changed(CART, 0)
    assert [] == waker.woken


async def test_a_failed_start_is_answered_at_once(throttler, looptime):
    """With the reason, not after the timeout."""
    tasks = await park(throttler, 2)
    throttler.start_failed(CART, "exit 127: no such file")
    verdict = Verdict(Outcome.HOPELESS, Cause.CANNOT_START, "exit 127: no such file", 1.0)
    assert [verdict, verdict] == await asyncio.gather(*tasks)
    assert looptime == 0
    assert nothing_left(throttler)


async def test_a_waker_may_report_a_failure_from_within_the_call(waker):
    """A command that does not exist is known at once."""
    throttler = throttler_for(waker)
    waker.act = lambda key: throttler.start_failed(key, "no such command")
    verdict = await throttler.hold(CART, Request(), FIRST)
    assert (Outcome.HOPELESS, "no such command") == (verdict.outcome, verdict.detail)
    assert nothing_left(throttler)


async def test_a_waker_may_report_endpoints_from_within_the_call(waker):
    """The workload may have come up while nobody looked."""
    throttler = throttler_for(waker)
    waker.act = lambda key: throttler.endpoints_changed(key, 1)
    assert await throttler.hold(CART, Request(), FIRST) == RELEASED
    assert nothing_left(throttler)


async def test_a_waker_that_breaks_leaks_no_place(waker):
    """A bug beside us must not fill the queue."""

    def fail(key: WorkloadKey) -> None:
        raise ZeroDivisionError(key)

    throttler = throttler_for(waker)
    waker.act = fail
    with pytest.raises(ZeroDivisionError):
        await throttler.hold(CART, Request(), FIRST)
    assert nothing_left(throttler)


async def test_requests_for_a_workload_that_is_gone_go_on(throttler):
    """Its hold was deleted: what then happens is Envoy's business again."""
    (task,) = await park(throttler)
    throttler.replace({})
    assert await task == UNMANAGED
    assert nothing_left(throttler)


async def test_a_timer_of_a_workload_that_is_gone_wakes_nobody(waker):
    """It was set while there was somebody to let go."""
    throttler = throttler_for(waker, settle=1.0)
    (task,) = await park(throttler)
    throttler.endpoints_changed(CART, 1)
    throttler.replace({})
    assert await task == UNMANAGED
    await asyncio.sleep(2)
    assert not throttler._timers


async def test_it_shows_what_it_holds(throttler):
    """State that a failing test or a debugger can read."""
    (task,) = await park(throttler)
    assert repr(throttler) == "<Throttler <HoldQueue 1/10000 {'shop/cart': 1}>>"
    throttler.drain()
    await task
