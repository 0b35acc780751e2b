"""The cold starts of this hold server, as they are told to others.

Owns for how long. Must not know who is told.
"""

from collections.abc import Callable

from feed.board import HoldName
from feed.start import Start
from telemetry.cold_starts import ColdStarts

TOLD_SECONDS = 60.0
"""Whoever wants to remember one has heard of it by then. With a thousand told again and again, the
reports would take two and a half times as long."""


class Starts:
    """Tells of the latest cold start of each hold."""

    def __init__(self, cold_starts: ColdStarts, now: Callable[[], float]) -> None:
        self._cold_starts = cold_starts
        self._now = now

    def latest(self, hold: HoldName) -> Start | None:
        """Return the one that goes on or has just ended."""
        found = self._cold_starts.latest(hold)
        if found is None:
            return None
        if found.ended is not None and self._now() - found.ended >= TOLD_SECONDS:
            return None
        return Start.of(found)
