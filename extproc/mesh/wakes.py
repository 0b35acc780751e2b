"""The wakes of this hold server: which go on, and how the latest of each hold ended.

Must not know who wakes, nor who is told.
"""

import asyncio
import time
from collections.abc import Callable

from feed.board import HoldName
from feed.wake import Wake, WakeOutcome

Listener = Callable[[HoldName], None]


class Wakes:
    """Remembers when wakes began and how they ended."""

    def __init__(self) -> None:
        self._begun: dict[HoldName, tuple[float, float]] = {}
        self._last: dict[HoldName, Wake] = {}
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Have a listener told of each beginning and each end."""
        self._listeners.append(listener)

    def begun(self, hold: HoldName) -> None:
        """A request found the workload at zero; the next ones find a wake that goes on."""
        if hold not in self._begun:
            self._begun[hold] = (time.time(), _now())
            self._tell(hold)

    def ended(self, hold: HoldName, outcome: WakeOutcome, reason: str = "") -> None:
        """A wake has ended; where none goes on, this changes nothing."""
        if begun := self._begun.pop(hold, None):
            at, since = begun
            self._last[hold] = Wake(at, _now() - since, outcome, reason)
            self._tell(hold)

    def is_waking(self, hold: HoldName) -> bool:
        """Whether a wake goes on."""
        return hold in self._begun

    def last(self, hold: HoldName) -> Wake | None:
        """The latest wake that has ended."""
        return self._last.get(hold)

    def forget(self, hold: HoldName) -> None:
        """The hold is gone; what goes on for it ends unheard."""
        self._last.pop(hold, None)
        if self._begun.pop(hold, None):
            self._tell(hold)

    def _tell(self, hold: HoldName) -> None:
        for listener in self._listeners:
            listener(hold)


def _now() -> float:
    return asyncio.get_running_loop().time()
