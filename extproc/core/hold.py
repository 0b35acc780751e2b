"""The hold queue: every parked request of one hold server, and who may go on when.

Decides and returns; the throttler awaits and acts. Must not know why endpoints change.
"""

import dataclasses
from collections.abc import Mapping

from extproc.core.backend import Backend, Tally, Ticket
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Workload, WorkloadKey

UNMANAGED = Verdict(Outcome.UNMANAGED)
READY = Verdict(Outcome.READY)
RELEASED = Verdict(Outcome.RELEASED)
DRAINED = Verdict(
    Outcome.DRAINED, Cause.DRAINING, "This hold server is shutting down; try again.", 1.0
)
FIRST_CHANCE = Chance()
NO_REQUEST = Request()
BOUNCE = 1.0
"""A request back on a later chance within so many seconds of a release was let go too early; one
that comes later was parked elsewhere, on a hold server that died. Envoy is back within
milliseconds, unless it is very busy."""


class HoldQueue:
    """Parked requests by workload.

    Args:
        max_pending: requests that may wait here at once, of all workloads together.
        settle: the wait between ready endpoints and the release, shared by all workloads, for it
            is the control plane's latency and not theirs.
    """

    def __init__(self, *, max_pending: int, settle: Settle) -> None:
        self._max_pending = max_pending
        self._settle = settle
        self._backends: dict[WorkloadKey, Backend] = {}
        self._pending = 0
        self._last_id = 0
        self._draining = False

    def __repr__(self) -> str:
        waiting = {str(key): len(b.waiting) for key, b in self._backends.items() if b.waiting}
        return f"<HoldQueue {self._pending}/{self._max_pending} {waiting}>"

    def pending(self, key: WorkloadKey | None = None) -> int:
        """How many requests wait for one workload, or for all."""
        if key is None:
            return self._pending
        backend = self._backends.get(key)
        return len(backend.waiting) if backend else 0

    def sheds(self, key: WorkloadKey) -> int:
        """How many requests for a workload, on all its ports, were refused for want of a place."""
        backend = self._backends.get(key)
        return backend.tally.sheds if backend else 0

    def waited_for(self) -> list[WorkloadKey]:
        """Return the workloads that somebody waits for."""
        return [key for key, backend in self._backends.items() if backend.waiting]

    def replace(self, workloads: Mapping[WorkloadKey, Workload]) -> list[Ticket]:
        """Take the whole new set of workloads; return the tickets of those that are gone.

        Tickets already parked keep the deadline they came with.
        """
        gone = [key for key in self._backends if key not in workloads]
        orphans = [ticket for key in gone for ticket in self._empty(self._backends.pop(key))]
        tallies = {key.without_port: backend.tally for key, backend in self._backends.items()}
        for key, workload in workloads.items():
            if backend := self._backends.get(key):
                backend.workload = workload
            else:
                tally = tallies.setdefault(key.without_port, Tally())
                self._backends[key] = Backend(workload, tally)
        return orphans

    def arrive(
        self,
        key: WorkloadKey,
        *,
        now: float,
        chance: Chance = FIRST_CHANCE,
        request: Request = NO_REQUEST,
    ) -> Ticket | Verdict:
        """Park a request, or say at once how it ends.

        Envoy had no endpoint for it. If endpoints are ready here all the same, Envoy has yet to
        hear of them, and the request waits for that.
        """
        backend = self._backends.get(key)
        if backend is None or backend.workload.rehearsed:
            return UNMANAGED
        if verdict := backend.probed(request) or self._refuse(backend, now):
            backend.tally.sheds += verdict.outcome is Outcome.SHED
            return verdict
        pause = self._pause(backend, chance, now) if backend.ready else 0.0
        if backend.ready and not pause:
            backend.released_at = now
            return READY
        self._last_id += 1
        deadline = now + backend.workload.hold.timeout
        ticket = Ticket(self._last_id, key, now, deadline, now + pause)
        backend.park(ticket)
        self._pending += 1
        return ticket

    def _refuse(self, backend: Backend, now: float) -> Verdict | None:
        if self._draining:
            return _drained(backend)
        if verdict := backend.refuse(now):
            return verdict
        if self._pending >= self._max_pending:
            detail = f"This hold server already holds {self._max_pending} requests."
            retry_after = backend.retry_after(now)
            return backend.refusal(Outcome.SHED, Cause.SERVER_FULL, detail, retry_after)
        return None

    def _pause(self, backend: Backend, chance: Chance, now: float) -> float:
        if chance.number > 1 and self._was_early(backend, now):
            self._settle.came_back(now - backend.ready_at)
            # Not `now` at the earliest: once the longest wait is over, each one that comes back
            # from an Envoy that never learns would put off all the others again.
            backend.postpone(backend.ready_at + self._settle.wait)
        pause = self._settle.pause(chance, since_ready=now - backend.ready_at)
        # Patience must not outlast the request's own: a late try is better than none.
        return min(pause, backend.workload.hold.timeout / 2)

    def _was_early(self, backend: Backend, now: float) -> bool:
        """Whether a request on a later chance says that a longer wait would have been better.

        During a long release somebody was always let go just now, and who comes meanwhile may have
        been parked on a hold server that died. But no wait is ever longer than the ceiling. An
        Envoy that takes less has by then sent back whom it will; from one that takes more, or has
        no endpoint for reasons of its own, there is nothing to learn.
        """
        released_at = backend.released_at
        if released_at is None or now - released_at > BOUNCE:
            return False
        return now - backend.ready_at <= self._settle.ceiling + BOUNCE

    def leave(self, ticket: Ticket) -> None:
        """The request no longer waits, whatever the reason; leaving twice is harmless."""
        if backend := self._backends.get(ticket.key):
            self._pending -= backend.take([ticket])

    def expire(self, ticket: Ticket, now: float) -> Verdict:
        """What to answer now that its deadline has come."""
        backend = self._backends.get(ticket.key)
        waited = f"{now - ticket.arrived:.1f} s"
        detail = f"{ticket.key.name} could not take the request within {waited}."
        if backend is None:
            return Verdict(Outcome.EXPIRED, Cause.TIMEOUT, detail)
        retry_after = backend.retry_after(now)
        return backend.refusal(Outcome.EXPIRED, Cause.TIMEOUT, detail, retry_after)

    def endpoints_changed(self, key: WorkloadKey, ready: int, now: float) -> None:
        """So many endpoints of the workload are ready now; same news twice changes nothing."""
        backend = self._backends.get(key)
        if backend is None or backend.ready == ready:
            return
        was_down = not backend.ready
        backend.ready = ready
        if not ready:
            backend.went_down(now)
            return
        if was_down:
            self._settle.kept()
            backend.came_up(now)
            backend.reschedule(now + self._settle.wait)

    def start_failed(
        self, key: WorkloadKey, reason: str, now: float
    ) -> tuple[Verdict, list[Ticket]]:
        """The workload cannot start: whom to tell, and what.

        Until its back-off is over, every arrival is told the same.
        """
        backend = self._backends.get(key)
        if backend is None or backend.ready:
            return UNMANAGED, []
        pause = backend.cold_starts.failed(backend.workload.backoff)
        backend.last_failure = (reason, now + pause)
        backend.waking_since = None
        verdict = backend.refusal(Outcome.HOPELESS, Cause.CANNOT_START, reason, pause)
        return verdict, self._empty(backend)

    def due(self, key: WorkloadKey, now: float, limit: int) -> list[Ticket]:
        """Up to `limit` tickets to let go now, taken out of the queue, in their order."""
        backend = self._backends.get(key)
        if backend is None:
            return []
        due = backend.due(now, limit)
        self._pending -= backend.take(due)
        return due

    def next_due(self, key: WorkloadKey) -> float | None:
        """When `due` will next have somebody, as things stand."""
        backend = self._backends.get(key)
        return backend.next_due() if backend else None

    def wants_wake(self, key: WorkloadKey) -> bool:
        """Whether somebody waits for a workload that has no ready endpoint."""
        backend = self._backends.get(key)
        return bool(backend and backend.waiting and not backend.ready)

    def drain(self) -> list[tuple[Verdict, list[Ticket]]]:
        """Refuse arrivals from now on, and everybody who waits: whom to tell, and what."""
        self._draining = True
        parked_at = [backend for backend in self._backends.values() if backend.waiting]
        return [(_drained(backend), self._empty(backend)) for backend in parked_at]

    def _empty(self, backend: Backend) -> list[Ticket]:
        """Take everybody who waits out of the queue."""
        tickets = list(backend.waiting.values())
        self._pending -= backend.take(tickets)
        return tickets


def _drained(backend: Backend) -> Verdict:
    return dataclasses.replace(DRAINED, fallback=backend.workload.hold.fallback)
