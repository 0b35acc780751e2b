"""What there is to show, at one moment, in plain values.

Owns the words between the page and whoever fills it. Must not know where any of it comes from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from telemetry.cold_start import Ending, Mark


class Phase(StrEnum):
    """What a workload is doing."""

    WARM = "Warm"
    IDLE = "Idle"
    ZERO = "Zero"
    WAKING = "Waking"
    STOPPING = "Stopping"
    UNKNOWN = "Unknown"
    """It is not held, or nobody has said yet."""


class Outcome(StrEnum):
    """How a wake stands."""

    GOING_ON = "GoingOn"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"


class Name(NamedTuple):
    """A workload's name."""

    namespace: str
    name: str


class Stage(NamedTuple):
    """A part of a wake, in seconds since the wake began; one without an end goes on."""

    name: str
    began: float
    ended: float | None


_STAGES = {
    Mark.SCALED: "scale",
    Mark.SCHEDULED: "schedule",
    Mark.STARTED: "start",
    Mark.READY: "readiness",
    Mark.SEEN: "endpoint",
    Mark.RELEASED: "release",
}
"""What ends with each mark."""


def stages(
    marks: Iterable[tuple[Mark, float]],
    ending: Ending | None,
    seconds: float,
    first: Mark = Mark.SCALED,
) -> tuple[Stage, ...]:
    """Return the stages of a wake that has taken so long.

    Args:
        marks: what it has reached, in their order, as seconds since it began. Where one is missing,
            the next stage includes what it would have ended.
        ending: how it ended; unless well, it ended in the stage after the last mark.
        seconds: from its beginning to its end, or until now.
        first: what ends the first stage that there is here.
    """
    found: list[Stage] = []
    began, left = 0.0, list(_STAGES)[list(_STAGES).index(first) :]
    for mark, at in marks:
        found.append(Stage(_STAGES[mark], began, at))
        began, left = at, left[left.index(mark) + 1 :]
    if ending is not Ending.READY and left:
        found.append(Stage(_STAGES[left[0]], began, None if ending is None else seconds))
    return tuple(found)


_OUTCOMES = {
    None: Outcome.GOING_ON,
    Ending.READY: Outcome.SUCCEEDED,
    Ending.FAILED: Outcome.FAILED,
    Ending.ABANDONED: Outcome.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Wake:
    """A wake.

    Args:
        at: when it began, in seconds since 1970.
        seconds: how long it took; so far, if it goes on.
        outcome: how it stands.
        stages: its parts, as far as they were seen.
        scaled_by: who scaled the workload from zero.
        reason: why it failed.
    """

    at: float
    seconds: float
    outcome: Outcome
    stages: tuple[Stage, ...] = ()
    scaled_by: str = ""
    reason: str = ""

    @classmethod
    def of(
        cls,
        at: float,
        marks: Iterable[tuple[Mark, float]],
        ending: Ending | None,
        seconds: float,
        first: Mark = Mark.SCALED,
    ) -> Self:
        """Describe a cold start; see `stages`."""
        return cls(at, seconds, _OUTCOMES[ending], stages(marks, ending, seconds, first))


class Condition(NamedTuple):
    """A condition of a TrafficHold."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload. What is None is not known here."""

    name: Name
    target: str
    phase: Phase
    parked: int | None = None
    in_flight: int | None = None
    rate: float | None = None
    """Requests per second over the last minute."""
    replicas: int | None = None
    """Asked for."""
    ready: int | None = None
    """Ready endpoints."""
    quiet: float | None = None
    """Seconds since the last request, if there was any."""
    verdict: str = ""
    """Whether it is put to sleep, or why not: a word from a closed set."""
    why: str = ""
    """The same in words."""
    conditions: tuple[Condition, ...] = ()
    wakes: tuple[Wake, ...] = ()
    """The latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All there is to show."""

    at: float
    """Seconds since 1970."""
    title: str
    """What all these workloads have in common."""
    notices: tuple[str, ...] = ()
    """What a reader has to know to understand the rest rightly."""
    leads: bool = True
    leader: str = ""
    """Who leads, if it is another one."""
    complete: bool = True
    """Whether the demand of all hold servers is known."""
    workloads: tuple[Workload, ...] = ()
