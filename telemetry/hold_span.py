"""The span of one held request, made when it has ended.

Owns names and attributes. Must not know which requests are worth one.
"""

from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from telemetry.clock import Clock
from telemetry.cold_start import ColdStart
from telemetry.sampling import NOTABLE
from telemetry.store import HoldName

HOLD_SPAN: Final = "layby.hold"
NAMESPACE, NAME = "k8s.namespace.name", "layby.hold.name"
_REFUSED: Final = frozenset({"shed", "expired", "hopeless"})
"""A client that left, or a request that another hold server takes on, is no error of this one."""
_ROOT: Final = Context()
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Held(NamedTuple):
    """A request that is over. Times are monotonic seconds."""

    hold: HoldName
    port: str
    arrived: float
    ended: float
    outcome: str
    cause: str = ""
    detail: str = ""
    chance: int = 1
    position: int = 0
    """Its place in the line when it was parked; 0 if it was not."""
    early: bool = False
    """Whether it came back for having been let go too early."""
    notable: str = ""
    """Why it is worth a look, if it is."""
    traceparent: str = ""
    tracestate: str = ""


def record(held: Held, start: ColdStart | None, tracer: Tracer, clock: Clock) -> SpanContext | None:
    """Make the span, if it is to be kept, with a link to the cold start that it waited for.

    Returns:
        Where the span is found.
    """
    carrier = {"traceparent": held.traceparent, "tracestate": held.tracestate}
    span = tracer.start_span(
        HOLD_SPAN,
        _PROPAGATOR.extract(carrier, _ROOT) if held.traceparent else _ROOT,
        SpanKind.SERVER,
        _attributes(held),
        _links(start),
        clock.nanoseconds(held.arrived),
    )
    if not span.is_recording():
        return None
    for name, at in _events(held, start):
        span.add_event(name, timestamp=clock.nanoseconds(at))
    if held.outcome in _REFUSED:
        span.set_status(Status(StatusCode.ERROR, held.detail or held.outcome))
    span.end(clock.nanoseconds(held.ended))
    return span.get_span_context()


def _attributes(held: Held) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        NAMESPACE: held.hold[0],
        NAME: held.hold[1],
        "layby.outcome": str(held.outcome),
        "layby.chance": held.chance,
    }
    if held.port:
        attributes["layby.port"] = held.port
    if held.position:
        attributes["layby.position"] = held.position
    if held.notable:
        attributes[NOTABLE] = held.notable
    if held.outcome in _REFUSED:
        attributes["error.type"] = str(held.cause or held.outcome)
    return attributes


def _links(start: ColdStart | None) -> list[Link]:
    if start is None or not start.trace_id:
        return []
    flags = TraceFlags(TraceFlags.SAMPLED)
    context = SpanContext(start.trace_id, start.span_id, is_remote=False, trace_flags=flags)
    return [Link(context, {NAMESPACE: start.hold[0], NAME: start.hold[1]})]


def _events(held: Held, start: ColdStart | None) -> list[tuple[str, float]]:
    """What happened while it waited, in that order; the cold start's trace has the rest."""
    events: list[tuple[str, float]] = []
    if held.early:
        events.append(("returned early", held.arrived))
    if held.position:
        events.append(("parked", held.arrived))
    if start is not None:
        happened = [("wake requested", start.began), *start.marks()]
        events += [
            (str(name), at)
            for name, at in happened
            # It was some other request that was released then, if not this one.
            if held.arrived <= at <= held.ended and name != "released"
        ]
    if held.outcome == "released":
        events.append(("released", held.ended))
    return events
