"""A wake, drawn: what happened when, as bars. Pure.

Owns the geometry. Must not know HTML, nor whose wake it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from page.snapshot import Outcome, Wake
from page.wording import span, took


class Bar(NamedTuple):
    """A stage in a waterfall; `left` and `width` are in percent of the longest wake."""

    name: str
    began: str
    took: str
    left: float
    width: float
    state: Outcome
    """How the wake stands, at its last stage; before that all went well."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A wake, drawn."""

    id: str
    moment: str
    said: str
    outcome: Outcome
    reason: str
    bars: tuple[Bar, ...]


def waterfall(key: str, wake: Wake, longest: float) -> Waterfall:
    """Draw a wake to the scale of the longest one of its workload."""
    whole = longest or 1.0
    at = datetime.fromtimestamp(wake.at, UTC)
    return Waterfall(
        # The same wake has the same name on the next page, whichever others there are.
        id=f"{key}.{wake.at * 1000:.0f}",
        moment=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        said=_said(wake),
        outcome=wake.outcome,
        reason=wake.reason,
        bars=tuple(_bars(wake, whole)),
    )


def _bars(wake: Wake, whole: float) -> Iterator[Bar]:
    last = wake.stages[-1] if wake.stages else None
    for stage in wake.stages:
        ended = wake.seconds if stage.ended is None else stage.ended
        yield Bar(
            stage.name,
            span(stage.began),
            span(ended - stage.began),
            _percent(stage.began, whole),
            # What took no time is still to be seen.
            max(0.4, _percent(ended - stage.began, whole)),
            wake.outcome if stage is last else Outcome.SUCCEEDED,
        )


def _said(wake: Wake) -> str:
    return took(wake) + (f", scaled by {wake.scaled_by}" if wake.scaled_by else "")


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, part / whole * 100)), 2)
