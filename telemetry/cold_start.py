"""One cold start: when it reached each of its marks, and how long its stages took.

Owns the order of marks. Must not know spans, metrics, or who reports a mark. Pure.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from telemetry.store import HoldName


class Mark(StrEnum):
    """What happens during a cold start, in this order; the value is the event's name in a trace."""

    SCALED = "replicas patched"
    SCHEDULED = "pod scheduled"
    STARTED = "container started"
    READY = "ready"
    SEEN = "endpoint seen"
    RELEASED = "released"


class Winner(StrEnum):
    """Who scaled the workload from zero."""

    LAYBY = "layby"
    AUTOSCALER = "autoscaler"
    PEER = "peer"


class Ending(StrEnum):
    """How a cold start ends."""

    READY = "ready"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Stage(NamedTuple):
    """A part of a cold start."""

    name: str
    began: float
    ended: float


_STAGES: Final = {
    Mark.SCALED: "scale",
    Mark.SCHEDULED: "schedule",
    Mark.STARTED: "start",
    Mark.READY: "readiness",
    Mark.RELEASED: "eds",
}
"""What ends with each mark."""
_ORDER: Final = tuple(Mark)


@dataclass(eq=False, slots=True)
class ColdStart:
    """From the first request that wants a workload to the first one let go. Monotonic seconds."""

    hold: HoldName
    began: float
    at: float = 0.0
    """When it began, in seconds since the epoch."""
    is_process: bool = False
    """Whether a process is started, by us; there are no replicas that anybody could ask for."""
    winner: Winner | None = None
    replicas: int = 0
    ended: float | None = None
    ending: Ending | None = None
    reason: str = ""
    """Why it failed."""
    trace_id: int = 0
    span_id: int = 0
    """Where it is found among the traces; 0 if it is in none."""
    _marks: dict[Mark, float] = field(default_factory=dict)

    def mark(self, mark: Mark, at: float) -> None:
        """It has come so far; the first to say so is believed."""
        self._marks.setdefault(mark, at)

    def has(self, mark: Mark) -> bool:
        """Whether it has come so far."""
        return mark in self._marks

    def marks(self) -> list[tuple[Mark, float]]:
        """Return the marks that were seen, in their order.

        They are told by different watches, and a later one may be heard of first: none is later
        than those that follow from it.
        """
        ordered: list[tuple[Mark, float]] = []
        bound = float("inf")
        for mark in reversed(_ORDER):
            if mark in self._marks:
                bound = max(self.began, min(bound, self._marks[mark]))
                ordered.append((mark, bound))
        return ordered[::-1]

    def stages(self) -> list[Stage]:
        """Return the parts that were seen; where a mark is missing, the next part includes it."""
        at = dict(self.marks())
        if Mark.SEEN in at:
            # Where there are no pods to look at, being ready is known by the endpoint alone.
            at.setdefault(Mark.READY, at[Mark.SEEN])
        stages: list[Stage] = []
        began = self.began
        for mark, name in _STAGES.items():
            if mark in at:
                stages.append(Stage(name, began, at[mark]))
                began = at[mark]
        return stages
