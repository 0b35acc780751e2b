"""One workload's parked requests, in order, and what is known of its endpoints.

The part of the hold queue that concerns a single workload. Must not know of the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf

from extproc.core.coldstart import ColdStarts
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import Request, match_probe
from extproc.core.workload import Workload, WorkloadKey

SLOW_START_STEP = 0.005
"""Seconds between the first request let go and the next two, the next four and so on. If Envoy
cannot route yet, the first ones come back within that time and the rest is still here. A crowd let
go too early would also keep Envoy's workers too busy to take the update that they wait for."""
WORTH_RESCHEDULING = 0.002


@dataclass(eq=False, frozen=True, slots=True)
class Ticket:
    """A parked request; `not_before` is when its own Envoy may be able to route it."""

    id: int
    key: WorkloadKey
    arrived: float
    deadline: float
    not_before: float


@dataclass(eq=False, slots=True)
class Tally:
    """How many wait for a workload, on all its ports: one tally is shared by their backends."""

    waiting: int = 0
    sheds: int = 0
    """How many were refused for want of a place."""


@dataclass(eq=False, slots=True)
class Backend:
    """A workload as a hold server sees it, on one of its ports."""

    workload: Workload
    tally: Tally = field(default_factory=Tally)
    cold_starts: ColdStarts = field(default_factory=ColdStarts)
    waiting: dict[int, Ticket] = field(default_factory=dict)
    """In order of arrival."""
    schedule: list[tuple[float, int]] = field(default_factory=list)
    """A heap of (not before, ticket id); only while endpoints are ready."""
    paced: float = -inf
    """When the pace let the last one go; a late loop does not push back those that follow."""
    begin: float = 0.0
    """When the schedule begins."""
    ready: int = 0
    ready_at: float = 0.0
    released_at: float | None = None
    waking_since: float | None = None
    last_failure: tuple[str, float] | None = None
    """Why the last start failed, and until when that is the answer."""

    def park(self, ticket: Ticket) -> None:
        """Let `ticket` wait: for endpoints, or if there are any, for its own time."""
        since = ticket.arrived if self.waking_since is None else self.waking_since
        if not self.waiting and ticket.arrived - since > self.workload.hold.timeout:
            # Everybody left that start, and it may never have ended: this one is another.
            self.waking_since = None
        self.waiting[ticket.id] = ticket
        self.tally.waiting += 1
        if self.ready:
            place = len(self.waiting) - 1
            not_before = max(ticket.not_before, self.begin + _slow_start(place))
            heappush(self.schedule, (not_before, ticket.id))
        elif self.waking_since is None:
            self.waking_since = ticket.arrived

    def retry_after(self, now: float) -> float:
        """When a refused client should try again, in seconds from `now`."""
        elapsed = 0.0 if self.waking_since is None else now - self.waking_since
        return self.cold_starts.retry_after(elapsed)

    def probed(self, request: Request) -> Verdict | None:
        """The answer to `request` if it is a probe."""
        if probe := match_probe(self.workload.probes, request):
            return Verdict(Outcome.PROBED, Cause.PROBE, status=probe.status)
        return None

    def refusal(self, outcome: Outcome, cause: Cause, detail: str, retry_after: float) -> Verdict:
        """The verdict on a request that will not be served, with what its owner wants said."""
        fallback = self.workload.hold.fallback
        return Verdict(outcome, cause, detail, retry_after, fallback=fallback)

    def refuse(self, now: float) -> Verdict | None:
        """Why one more request may not wait, if so."""
        if self.last_failure and not self.ready:
            reason, until = self.last_failure
            if now < until:
                return self.refusal(Outcome.HOPELESS, Cause.CANNOT_START, reason, until - now)
            self.last_failure = None
        waiting = self.tally.waiting
        if waiting >= self.workload.hold.max_pending:
            detail = f"{waiting} requests already wait for {self.workload.key.name}."
            return self.refusal(Outcome.SHED, Cause.QUEUE_FULL, detail, self.retry_after(now))
        return None

    def came_up(self, now: float) -> None:
        """The first endpoint is ready: the cold start, if it was one, is over."""
        self.ready_at = now
        self.released_at = None
        self.paced = -inf
        self.last_failure = None
        if self.waking_since is not None:
            self.cold_starts.succeeded(now - self.waking_since)
            self.waking_since = None

    def went_down(self, now: float) -> None:
        """The last endpoint is gone: whoever still waits, waits for a new one."""
        self.schedule = []
        if self.waiting:
            self.waking_since = now

    def reschedule(self, begin: float) -> None:
        """Let everybody go from `begin` on, slowly at first."""
        self.begin = begin
        self.schedule = [
            (max(ticket.not_before, begin + _slow_start(place)), ticket.id)
            for place, ticket in enumerate(self.waiting.values())
        ]
        heapify(self.schedule)

    def postpone(self, begin: float) -> None:
        """Begin again at `begin` if that is later: somebody was let go too early."""
        if begin > self.begin + WORTH_RESCHEDULING:
            self.reschedule(begin)

    def next_due(self) -> float | None:
        """When the next one may go, at the pace that the workload asks for."""
        # Who left meanwhile is still scheduled: leaving must not cost a search.
        while self.schedule and self.schedule[0][1] not in self.waiting:
            heappop(self.schedule)
        if not self.schedule:
            return None
        due = self.schedule[0][0]
        rate = self.workload.hold.release_rate
        return max(due, self.paced + 1.0 / (rate * self.ready)) if rate else due

    def due(self, now: float, limit: int) -> list[Ticket]:
        """Up to `limit` tickets that may go now; they are still waiting."""
        due: list[Ticket] = []
        while len(due) < limit and (at := self.next_due()) is not None and at <= now:
            self.paced = at
            due.append(self.waiting[heappop(self.schedule)[1]])
        if due:
            self.released_at = now
        return due

    def take(self, tickets: Iterable[Ticket]) -> int:
        """Remove `tickets`; return how many of them were there."""
        taken = sum(self.waiting.pop(ticket.id, None) is not None for ticket in tickets)
        self.tally.waiting -= taken
        return taken


def _slow_start(place: int) -> float:
    """When the request in this place goes: 1, 2, 4, 8 ... of them at a time."""
    return ((place + 1).bit_length() - 1) * SLOW_START_STEP
