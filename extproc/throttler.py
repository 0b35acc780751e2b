"""The waiting itself: one future per parked request, woken by what the hold queue decides.

The only owner of the hold queue. Must not know gRPC, nor who starts workloads.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import Protocol

from extproc.core.backend import Ticket
from extproc.core.hold import RELEASED, UNMANAGED, HoldQueue
from extproc.core.outcome import Outcome, Verdict
from extproc.core.probe import Request
from extproc.core.workload import Chance, Workload, WorkloadKey

log = logging.getLogger(__name__)

ABANDONED = Verdict(Outcome.ABANDONED)
BATCH = 256
"""Requests let go in one turn of the event loop: thousands at once would hold up everything else
that the loop serves, the first of them included."""


class Waker(Protocol):
    """Starts workloads. It reports what becomes of them through the throttler."""

    def wake(self, key: WorkloadKey) -> None:
        """See to it that the workload starts, for somebody waits for it.

        Must return at once, and may be called again while the start goes on.
        """


class Observer(Protocol):
    """Is told what becomes of requests. Must return at once, and must not raise."""

    def parked(self, ticket: Ticket, chance: Chance, position: int, trace: Request) -> None:
        """A request waits from now on, the `position`-th in line at its workload's port."""

    def ended(
        self,
        key: WorkloadKey,
        verdict: Verdict,
        held: float,
        ticket: Ticket | None,
        trace: Request,
    ) -> None:
        """A request has its verdict, after `held` seconds; this is said once of each.

        One that was parked has the ticket with which that was said; one that was answered at once
        has none.
        """


class Throttler:
    """Holds requests until the workload can take them, the client leaves or patience ends.

    Args:
        queue: decides.
        waker: starts workloads.
        observer: is told how requests end, if anybody wants to know.
    """

    def __init__(self, queue: HoldQueue, waker: Waker, observer: Observer | None = None) -> None:
        self._queue = queue
        self._waker = waker
        self._observer = observer
        self._waiters: dict[int, asyncio.Future[Verdict]] = {}
        self._timers: dict[WorkloadKey, asyncio.TimerHandle] = {}
        self._last_verdict_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Throttler {self._queue!r}>"

    async def hold(self, key: WorkloadKey, request: Request, chance: Chance) -> Verdict:
        """Wait for the verdict on one request. Cancelling the wait frees its place at once."""
        loop = asyncio.get_running_loop()
        ticket = self._queue.arrive(key, now=loop.time(), chance=chance, request=request)
        if isinstance(ticket, Verdict):
            self._last_verdict_at = loop.time()
            if self._observer:
                self._observer.ended(key, ticket, 0.0, None, request)
            return ticket
        # Of what is decided only the trace is wanted once more, and thousands may wait.
        request = Request(traceparent=request.traceparent, tracestate=request.tracestate)
        # Unless there will be another: the client may leave at any moment, and even between the
        # answer and its being heard.
        verdict = ABANDONED
        waiter: asyncio.Future[Verdict] = loop.create_future()
        self._waiters[ticket.id] = waiter
        expiry = loop.call_at(ticket.deadline, self._expire, ticket)
        try:
            if self._observer:
                self._observer.parked(ticket, chance, self._queue.pending(key), request)
            if self._queue.wants_wake(key):
                self._waker.wake(key)
            else:
                self._schedule(key)
            verdict = await waiter
        finally:
            expiry.cancel()
            self._last_verdict_at = loop.time()
            del self._waiters[ticket.id]
            self._queue.leave(ticket)
            if self._observer:
                held = self._last_verdict_at - ticket.arrived
                self._observer.ended(key, verdict, held, ticket, request)
        return verdict

    def replace(self, workloads: Mapping[WorkloadKey, Workload]) -> None:
        """Take the whole new set of workloads; requests for those that are gone go on."""
        self._answer(self._queue.replace(workloads), UNMANAGED)
        # Their pace may be another one now.
        for key in tuple(self._timers):
            self._schedule(key)

    def endpoints_changed(self, key: WorkloadKey, ready: int) -> None:
        """So many endpoints of the workload are ready now."""
        self._queue.endpoints_changed(key, ready, asyncio.get_running_loop().time())
        if self._queue.wants_wake(key):
            self._waker.wake(key)
        self._schedule(key)

    def start_failed(self, key: WorkloadKey, reason: str) -> None:
        """The workload cannot start: everybody who waits for it is told so at once."""
        now = asyncio.get_running_loop().time()
        verdict, tickets = self._queue.start_failed(key, reason, now)
        self._answer(tickets, verdict)

    def drain(self) -> None:
        """Refuse whoever comes from now on, and whoever waits."""
        for verdict, tickets in self._queue.drain():
            self._answer(tickets, verdict)

    async def emptied(self, patience: float, *, comeback: float = 0.0) -> None:
        """Wait until nobody has been parked for `comeback` seconds; `patience` seconds at most."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                while True:
                    quiet_in = self._last_verdict_at + comeback - loop.time()
                    if self._waiters:
                        await asyncio.wait(self._waiters.values())
                    elif quiet_in > 0:
                        await asyncio.sleep(quiet_in)
                    else:
                        return
        except TimeoutError:
            pass

    def pending(self, key: WorkloadKey | None = None) -> int:
        """How many requests wait, for one workload or for all."""
        return self._queue.pending(key)

    def sheds(self, key: WorkloadKey) -> int:
        """How many requests for a workload were refused for want of a place."""
        return self._queue.sheds(key)

    def waited_for(self) -> list[WorkloadKey]:
        """Return the workloads that somebody waits for."""
        return self._queue.waited_for()

    def wants_wake(self, key: WorkloadKey) -> bool:
        """Whether somebody waits for a workload that has no ready endpoint."""
        return self._queue.wants_wake(key)

    def _schedule(self, key: WorkloadKey) -> None:
        """Let go whoever is due, and come back when the next one is."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        due = self._queue.due(key, loop.time(), BATCH)
        self._answer(due, RELEASED)
        next_due = self._queue.next_due(key)
        if next_due is not None:
            # Even if it is due already: the loop serves others between two batches.
            self._timers[key] = loop.call_at(next_due, partial(self._schedule, key))

    def _expire(self, ticket: Ticket) -> None:
        verdict = self._queue.expire(ticket, asyncio.get_running_loop().time())
        self._answer((ticket,), verdict)

    def _answer(self, tickets: Collection[Ticket], verdict: Verdict) -> None:
        for ticket in tickets:
            waiter = self._waiters.get(ticket.id)
            # Its client may have left in this very turn of the loop.
            if waiter and not waiter.done():
                waiter.set_result(verdict)
