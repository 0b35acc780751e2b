"""A throttler to try, and requests that park in it."""

import asyncio

from extproc.core.hold import HoldQueue
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey
from extproc.throttler import Throttler

CART = WorkloadKey("shop", "cart")
FIRST, LAST = Chance(1, 3), Chance(3, 3)


def throttler_for(waker, settle=0.0, **hold) -> Throttler:
    throttler = Throttler(HoldQueue(max_pending=10_000, settle=Settle(first=settle)), waker)
    throttler.replace({CART: Workload(CART, Hold(**{"max_pending": 10_000, **hold}))})
    return throttler


async def park(throttler: Throttler, count: int = 1, chance: Chance = FIRST):
    """Let `count` requests come; return their tasks, parked."""
    tasks = [
        asyncio.create_task(throttler.hold(CART, Request(), chance), name=f"request {n}")
        for n in range(count)
    ]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


def nothing_left(throttler: Throttler) -> bool:
    """Whether no request has left a trace."""
    return not throttler.pending() and not throttler._waiters
