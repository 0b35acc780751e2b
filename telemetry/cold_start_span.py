"""The trace of one cold start: a span from its beginning on, and one for each stage at its end.

Owns names and attributes. Must not know who waits for the start.
"""

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from telemetry.clock import Clock
from telemetry.cold_start import ColdStart, Ending, Mark
from telemetry.hold_span import NAME, NAMESPACE
from telemetry.sampling import ALWAYS as COLD_START_SPAN


def begin(start: ColdStart, tracer: Tracer, clock: Clock) -> Span:
    """Begin the span, so that all who wait can link to it, and say in `start` where it is found."""
    span = tracer.start_span(
        COLD_START_SPAN,
        # A trace of its own, whatever goes on around it.
        Context(),
        attributes={NAMESPACE: start.hold[0], NAME: start.hold[1]},
        start_time=clock.nanoseconds(start.began),
    )
    context = span.get_span_context()
    start.trace_id, start.span_id = context.trace_id, context.span_id
    return span


def end(span: Span, start: ColdStart, tracer: Tracer, clock: Clock) -> None:
    """Add the stages, and end the span with the cold start, which has ended."""
    for stage in start.stages():
        tracer.start_span(
            f"{COLD_START_SPAN}.{stage.name}",
            set_span_in_context(span, Context()),
            start_time=clock.nanoseconds(stage.began),
        ).end(clock.nanoseconds(stage.ended))
    for mark, at in start.marks():
        if mark is Mark.SEEN:  # the others are where the stages meet
            span.add_event(mark.value, timestamp=clock.nanoseconds(at))
    span.set_attribute("layby.outcome", str(start.ending))
    if start.winner is not None:
        span.set_attribute("layby.winner", start.winner.value)
        span.set_attribute("layby.replicas", start.replicas)
    if start.ending is Ending.FAILED:
        span.set_status(Status(StatusCode.ERROR, start.reason))
    span.end(None if start.ended is None else clock.nanoseconds(start.ended))
