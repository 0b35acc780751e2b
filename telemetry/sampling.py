"""Which spans are kept: those that the standard sampler keeps, and those worth a look all the same.

Owns the exception to the rule, and its limit. Must not know what a span is about.
"""

from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

NOTABLE: Final = "layby.notable"
"""The attribute that says why a span is worth a look."""
ALWAYS: Final = "layby.cold_start"
"""Spans whose names begin so are rare, and other traces link to them."""


class Allowance:
    """So many per second, and as many at once."""

    def __init__(self, per_second: float, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._left = max(1.0, per_second)
        self._at = now()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._now()
        full = max(1.0, self._per_second)
        self._left = min(full, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class KeepNotable(Sampler):
    """Keeps what another sampler keeps, and what is notable, within an allowance."""

    def __init__(self, rule: Sampler, allowance: Allowance) -> None:
        self._rule = rule
        self._allowance = allowance

    def should_sample(  # noqa: PLR0913, PLR0917 - overrides
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one span."""
        result = self._rule.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is Decision.RECORD_AND_SAMPLE:
            return result
        notable = attributes is not None and NOTABLE in attributes
        if name.startswith(ALWAYS) or (notable and self._allowance.take()):
            state = get_current_span(parent_context).get_span_context().trace_state
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)
        return result

    def get_description(self) -> str:
        """Name the rule."""
        return f"KeepNotable{{{self._rule.get_description()}}}"
