"""What becomes of held requests, counted, and traced if asked for: the hold server's observer.

Its two methods are called for every request that comes to a hold server: what they cost is paid on
the hot path. Must not know the hold queue.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from opentelemetry.trace import Tracer

from telemetry import hold_span
from telemetry.catalogue.holding import DURATION, PARKED, REQUESTS, RETURNS, SHEDS
from telemetry.clock import Clock
from telemetry.cold_starts import ColdStarts
from telemetry.hold_span import Held
from telemetry.store import Exemplar, Store
from telemetry.traceparent import NO_TRACE, Traced, sampled

_REFUSED_AT_ONCE: Final = frozenset({"shed", "hopeless", "drained"})
"""Endings of requests that were not parked, but have a story to tell all the same."""
SLOW: Final = "slow"


class Key(Protocol):
    """Which port of which workload."""

    @property
    def namespace(self) -> str:
        """The TrafficHold's namespace."""

    @property
    def name(self) -> str:
        """The TrafficHold's name."""

    @property
    def port(self) -> str:
        """The port, if there are several."""


class Ticket(Protocol):
    """A parked request."""

    @property
    def id(self) -> int:
        """No other one has it."""

    @property
    def key(self) -> Key:
        """What it waits for."""

    @property
    def arrived(self) -> float:
        """When it was parked."""

    @property
    def not_before(self) -> float:
        """When it may go at the earliest: later than it came, if endpoints were there already."""


class Chance(Protocol):
    """Which of the gate's hold filters asks."""

    @property
    def number(self) -> int:
        """Counted from 1."""


class Verdict(Protocol):
    """How a request ended; outcome and cause are strings from closed sets."""

    @property
    def outcome(self) -> str:
        """The ending."""

    @property
    def cause(self) -> str:
        """Why, if it was not served."""

    @property
    def detail(self) -> str:
        """The same in words."""


@dataclass(frozen=True, slots=True)
class HoldTracing:
    """Which held requests have a span, and where it goes.

    Args:
        follows_callers: whether nothing is kept of a trace that its caller does not keep.
        keep: outcomes that are kept all the same, and `slow`.
        slow_seconds: from when on a request was held for long.
    """

    tracer: Tracer
    follows_callers: bool = True
    keep: frozenset[str] = frozenset()
    slow_seconds: float = 10.0

    def wants(self, traceparent: str) -> bool:
        """Whether a request has a span, if nothing about it is notable."""
        return not self.follows_callers or sampled(traceparent) is not False

    def notable(self, outcome: str, seconds: float) -> str:
        """Why a request that ended so is worth a look; nothing if it is not."""
        if outcome in self.keep:
            return str(outcome)
        return SLOW if SLOW in self.keep and seconds >= self.slow_seconds else ""


class HoldRecorder:
    """Counts what becomes of requests, and makes spans of those that are traced."""

    def __init__(
        self,
        store: Store,
        cold_starts: ColdStarts,
        clock: Clock,
        tracing: HoldTracing | None = None,
    ) -> None:
        self._store = store
        self._cold_starts = cold_starts
        self._clock = clock
        self._tracing = tracing
        self._traced: dict[int, tuple[int, int]] = {}
        """Chance and position of the parked requests that may have a span."""

    def parked(
        self, ticket: Ticket, chance: Chance, position: int, trace: Traced = NO_TRACE
    ) -> None:
        """A request waits from now on."""
        key = ticket.key
        self._store.add(PARKED, (key.namespace, key.name))
        if chance.number > 1:
            cause = "early" if _is_early(ticket) else "moved"
            self._store.add(RETURNS, (key.namespace, key.name, cause))
        tracing = self._tracing
        if tracing is not None and (tracing.keep or tracing.wants(trace.traceparent)):
            self._traced[ticket.id] = (chance.number, position)

    def ended(
        self,
        key: Key,
        verdict: Verdict,
        held: float,
        ticket: Ticket | None,
        trace: Traced = NO_TRACE,
    ) -> None:
        """A request has its verdict, after so many seconds."""
        store, outcome = self._store, verdict.outcome
        labels = (key.namespace, key.name, outcome)
        store.add(REQUESTS, labels)
        if ticket is None:
            if outcome == "shed":
                store.add(SHEDS, (key.namespace, key.name, verdict.cause))
            if self._tracing is not None and outcome in _REFUSED_AT_ONCE:
                self._trace(self._tracing, key, verdict, held, None, trace)
            return
        hold = labels[:2]
        waiting = store.add(PARKED, hold, -1.0)
        if outcome == "released":
            self._cold_starts.released(hold, ticket.arrived + held)
        elif not waiting:
            self._cold_starts.deserted(hold, ticket.arrived + held)
        exemplar = None
        if self._tracing is not None and ticket.id in self._traced:
            exemplar = self._trace(self._tracing, key, verdict, held, ticket, trace)
        store.observe(DURATION, labels, held, exemplar)

    def _trace(  # noqa: PLR0913, PLR0917 - the observer's own, and what is known not to be None
        self,
        tracing: HoldTracing,
        key: Key,
        verdict: Verdict,
        held: float,
        ticket: Ticket | None,
        trace: Traced,
    ) -> Exemplar | None:
        """Make the span of a request, unless it is to have none."""
        chance, position = self._traced.pop(ticket.id) if ticket else (1, 0)
        notable = tracing.notable(verdict.outcome, held)
        if not (notable or tracing.wants(trace.traceparent)):
            return None
        arrived = ticket.arrived if ticket else self._clock.now()
        hold = (key.namespace, key.name)
        story = Held(
            hold,
            key.port,
            arrived,
            arrived + held,
            verdict.outcome,
            verdict.cause,
            verdict.detail,
            chance=chance,
            position=position,
            early=chance > 1 and ticket is not None and _is_early(ticket),
            notable=notable,
            traceparent=trace.traceparent,
            tracestate=trace.tracestate,
        )
        start = self._cold_starts.during(hold, arrived)
        context = hold_span.record(story, start, tracing.tracer, self._clock)
        if context is None:
            return None
        when = self._clock.nanoseconds(arrived + held) / 1e9
        return Exemplar(held, context.trace_id, context.span_id, when)


def _is_early(ticket: Ticket) -> bool:
    """Whether a request that came back was let go too early: its endpoints are there."""
    return ticket.not_before > ticket.arrived
