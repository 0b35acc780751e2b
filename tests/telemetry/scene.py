"""A hold server's telemetry with nothing around it: a clock that tests turn, spans in memory."""

from collections import defaultdict
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from extproc.core.backend import Ticket
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.workload import Chance, WorkloadKey
from telemetry.catalogue import METRICS
from telemetry.clock import Clock
from telemetry.cold_starts import ColdStarts
from telemetry.holds import HoldRecorder, HoldTracing
from telemetry.store import Store
from telemetry.traceparent import NO_TRACE, TraceHeaders
from telemetry.tracing import Tracing

HOLD = ("shop", "cart")
KEY = WorkloadKey(*HOLD, "http")
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = TraceHeaders(f"00-{TRACE_ID}-{SPAN_ID}-01", "vendor=1")
UNSAMPLED = TraceHeaders(f"00-{TRACE_ID}-{SPAN_ID}-00")
EPOCH = 1_800_000_000
"""Seconds on the wall when the clock says 0."""


@dataclass
class Scene:
    """Telemetry, and a script for it.

    Args:
        keep: what is kept although its caller does not keep it; None: there are no traces.
    """

    keep: frozenset[str] | None = frozenset()
    per_second: float = 10.0
    sampler: Sampler = DEFAULT_ON
    now: float = 0.0
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self):
        clock = Clock(lambda: self.now, lambda: int((EPOCH + self.now) * 1e9))
        self.store = Store(METRICS)
        self.tracing = tracing = None
        if self.keep is not None:
            self.tracing = Tracing(
                self.spans,
                Resource({}),
                version="1",
                keep_per_second=self.per_second,
                now=clock.now,
                sampler=self.sampler,
            )
            follows = self.tracing.follows_callers
            tracing = HoldTracing(self.tracing.tracer, follows, self.keep)
        self.starts = ColdStarts(self.store, clock, tracing.tracer if tracing else None)
        self.holds = HoldRecorder(self.store, self.starts, clock, tracing)
        self._ids = 0

    def park(self, trace=NO_TRACE, *, chance=1, early=False, position=1):
        """Park a request now; return its ticket."""
        self._ids += 1
        not_before = self.now + 1.0 if early else self.now
        ticket = Ticket(self._ids, KEY, self.now, self.now + 60.0, not_before)
        self.holds.parked(ticket, Chance(chance, 3), position, trace)
        return ticket

    def end(self, ticket, outcome=Outcome.RELEASED, cause=Cause.NONE, detail="", trace=NO_TRACE):
        """End a parked request now."""
        held = self.now - ticket.arrived
        self.holds.ended(KEY, Verdict(outcome, cause, detail), held, ticket, trace)

    def refuse(self, outcome, cause=Cause.NONE, trace=NO_TRACE):
        """Answer a request that is not parked."""
        self.holds.ended(KEY, Verdict(outcome, cause), 0.0, None, trace)

    def value(self, metric, *labels):
        """How a counter or gauge stands."""
        return self.store.value(metric, labels)

    def counts(self, metric):
        """How many values each series of a histogram has."""
        for reading in self.store.read():
            if reading.metric is metric:
                return {key: sum(each.counts) for key, each in reading.distributions.items()}
        raise AssertionError(metric.name)

    def finished(self):
        """All spans that have ended, by name."""
        if self.tracing:
            self.tracing.flush()
        named = defaultdict(list)
        for span in self.spans.get_finished_spans():
            named[span.name].append(span)
        return named

    def only(self, name):
        """The one span of that name."""
        (span,) = self.finished()[name]
        return span

    def close(self):
        """End the exporter's thread."""
        if self.tracing:
            self.tracing.end()


def events(span):
    """The events of a span and the seconds at which they were."""
    return [(event.name, event.timestamp / 1e9 - EPOCH) for event in span.events]
