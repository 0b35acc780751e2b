"""A wake that has ended, as hold servers saw it.

Owns which of their accounts are of one wake, and what that was. Must not know who sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce


class WakeOutcome(StrEnum):
    """How a wake ended, as the status of a TrafficHold says it."""

    SUCCEEDED = "Succeeded"
    """The workload became ready."""
    FAILED = "Failed"
    """It cannot start."""
    TIMED_OUT = "TimedOut"
    """It was not ready before the last request stopped waiting."""


@dataclass(frozen=True, slots=True)
class Wake:
    """A wake that has ended.

    Args:
        at: when the request came that began it, in seconds since 1970.
        duration: seconds from then until it had ended.
        outcome: how it ended.
        reason: why it failed.
    """

    at: float
    duration: float
    outcome: WakeOutcome
    reason: str = ""

    @property
    def ended(self) -> float:
        """When it had ended, in seconds since 1970."""
        return self.at + self.duration

    def overlaps(self, other: "Wake") -> bool:
        """Whether the two are one, as seen by two hold servers."""
        return self.at <= other.ended and other.at <= self.ended

    def merged(self, other: "Wake") -> "Wake":
        """One wake, of what two hold servers saw of it.

        It began with the first request. If one of them saw the workload become ready it did so
        then, whoever had given up before; if none, it ended with the last that gave up.
        """
        ready = [each for each in (self, other) if each.outcome is WakeOutcome.SUCCEEDED]
        if ready:
            end = min(ready, key=lambda wake: wake.ended)
        else:
            end = max(self, other, key=lambda wake: wake.ended)
        at = min(self.at, other.at)
        return Wake(at, end.ended - at, end.outcome, end.reason)


def last_wake(wakes: Sequence[Wake]) -> Wake | None:
    """The latest wake, of all that hold servers saw of it."""
    if not wakes:
        return None
    last = max(wakes, key=lambda wake: wake.at)
    # One of no sensible length does not even overlap itself.
    return reduce(Wake.merged, [wake for wake in wakes if wake.overlaps(last)] or [last])
