"""Tells whoever follows a hold that somebody waits for it, and again while somebody does.

One subscription for all; a follower of a hold nobody waits for costs no timer. Must not know KEDA's
messages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol
from weakref import WeakValueDictionary

from extproc.scaler.decision import is_pushed
from extproc.waiting import happens
from feed.board import HoldName, Share

HEAD_START_SECONDS = 0.25
"""The hold server has patched the scale by then, and KEDA's cache knows. Told at once, KEDA writes
what is there already, in a quarter of all wakes."""
REPEAT_SECONDS = 1.0
"""KEDA drops what it is told before it has made the autoscaler."""


class Demand(Protocol):
    """The demand for each hold, of all hold servers."""

    def total(self, hold: HoldName) -> Share:
        """The sum, as far as it is known."""

    def complete(self) -> bool:
        """Whether that is the whole."""

    def subscribe(self, callback: Callable[[HoldName], None]) -> None:
        """Have `callback` called whenever the demand for a hold has changed."""


class _Edge:
    """Whether a hold is waited for, and what happens when that changes."""

    def __init__(self, *, waited_for: bool) -> None:
        self.waited_for = waited_for
        self.changed = asyncio.Event()

    def ring(self) -> None:
        """Wake every follower."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class Pushes:
    """Follows holds.

    Args:
        demand: whose holds.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        # A follower that is cancelled takes its edge along, however it ends.
        self._edges: WeakValueDictionary[HoldName, _Edge] = WeakValueDictionary()
        self._closed = False
        demand.subscribe(self._look)

    async def follow(self, hold: HoldName) -> AsyncIterator[bool]:
        """True while somebody waits for the hold, soon and then every second; then once False."""
        edge = self._edges.get(hold)
        if edge is None:
            edge = self._edges[hold] = _Edge(waited_for=self._is_waited_for(hold))
        said = False
        while not self._closed:
            changed = edge.changed
            # It is asked again with each repetition: a hold server may have died in between.
            self._look(hold)
            waited_for = edge.waited_for
            if waited_for and not said and await happens(changed, HEAD_START_SECONDS):
                continue
            if waited_for or said:
                yield waited_for
            said = waited_for
            await happens(changed, REPEAT_SECONDS if waited_for else None)

    def close(self) -> None:
        """End every follower, and whoever comes later."""
        self._closed = True
        for edge in list(self._edges.values()):
            edge.ring()

    def _look(self, hold: HoldName) -> None:
        edge = self._edges.get(hold)
        if edge and edge.waited_for != (waited_for := self._is_waited_for(hold)):
            edge.waited_for = waited_for
            edge.ring()

    def _is_waited_for(self, hold: HoldName) -> bool:
        return is_pushed(self._demand.total(hold))
