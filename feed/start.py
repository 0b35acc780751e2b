"""How far a cold start has come, as one hold server saw it.

Owns which of several accounts of one is believed, and its messages. Must not know who sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from feed import feed_pb2 as pb
from telemetry.cold_start import ColdStart, Ending, Mark

_ENDINGS = {
    Ending.READY: pb.ColdStart.READY,
    Ending.FAILED: pb.ColdStart.FAILED,
    Ending.ABANDONED: pb.ColdStart.ABANDONED,
}
_MEANT = {number: ending for ending, number in _ENDINGS.items()}
_LONGEST_REASON = 500
"""Characters; it is sent again with each report."""


@dataclass(frozen=True, slots=True)
class Start:
    """A cold start.

    Args:
        at: when it began, in seconds since 1970.
        marks: what it has reached, in order, and so many seconds after it began.
        ending: how it ended; none if it goes on.
        duration: seconds from its beginning to its end.
        winner: who scaled the workload from zero.
        reason: why it failed.
    """

    at: float
    marks: tuple[tuple[Mark, float], ...] = ()
    ending: Ending | None = None
    duration: float = 0.0
    winner: str = ""
    reason: str = ""

    @classmethod
    def of(cls, start: ColdStart) -> "Start":
        """Tell of a cold start as it is now."""
        began = start.began
        return cls(
            start.at,
            tuple((mark, at - began) for mark, at in start.marks()),
            start.ending,
            0.0 if start.ended is None else start.ended - began,
            start.winner or "",
            start.reason[:_LONGEST_REASON],
        )


def latest(starts: Sequence[Start]) -> Start | None:
    """The latest cold start, by the account of the one who saw most of it.

    Moments of several clocks are not mixed.
    """
    if not starts:
        return None
    last = max(starts, key=lambda start: start.at)
    same = [start for start in starts if start.ending is None or _end(start) >= last.at]
    return max(same or [last], key=lambda start: (len(start.marks), -start.at))


def said(start: Start) -> pb.ColdStart:
    """Say how far it has come."""
    message = pb.ColdStart(
        at=start.at,
        duration_seconds=start.duration,
        winner=start.winner,
        reason=start.reason,
    )
    if start.ending is not None:
        message.ending = _ENDINGS[start.ending]
    for mark, after in start.marks:
        # What took no time at all has been reached all the same.
        setattr(message, mark.name.lower(), after or 1e-6)
    return message


def heard(message: pb.ColdStart) -> Start | None:
    """Understand it; none if nothing was said."""
    if not message.at:
        return None
    after = [(mark, getattr(message, mark.name.lower())) for mark in Mark]
    return Start(
        message.at,
        tuple((mark, at) for mark, at in after if at),
        _MEANT.get(message.ending),
        message.duration_seconds,
        message.winner,
        message.reason,
    )


def _end(start: Start) -> float:
    return start.at + start.duration
