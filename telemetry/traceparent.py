"""The W3C trace context that a request carries, and whether it asks to be kept, at a glance.

Owns the header's form. Must not know who decides in the end. Pure.
"""

from typing import Final, NamedTuple, Protocol

_LENGTH: Final = 55
_ODD: Final = frozenset("13579bdf")


class Traced(Protocol):
    """A request, as far as it says which trace it belongs to."""

    @property
    def traceparent(self) -> str:
        """The header of that name, or nothing."""

    @property
    def tracestate(self) -> str:
        """The header of that name, or nothing."""


class TraceHeaders(NamedTuple):
    """The headers alone."""

    traceparent: str = ""
    tracestate: str = ""


NO_TRACE: Final = TraceHeaders()


def sampled(traceparent: str) -> bool | None:
    """Whether the caller keeps its trace; None if it has none.

    It is looked at for every request that ends, and nearly all of them are not kept: so this reads
    one character, and leaves it to OpenTelemetry to reject what is malformed elsewhere.
    """
    if len(traceparent) < _LENGTH:
        return None
    return traceparent[_LENGTH - 1] in _ODD
