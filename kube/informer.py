"""What there is of a resource, kept current; and who is told when it changes.

Owns the store and the listeners. Must not know what objects mean, nor do anything about them.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TypeAlias, assert_never

from kube.client import Kube, Listing
from kube.errors import KubeError
from kube.resource import Object, Selection, key_of
from kube.store import Change, Index, Store
from kube.watch import Event, Happening, Kind, Pace, follow

Listener: TypeAlias = Callable[[Change], None]
Trim: TypeAlias = Callable[[Object], Object]
"""Leaves out of an object what nobody here reads. Keep its metadata's name, version and uid."""

log = logging.getLogger(__name__)


class Informer:
    """The objects of one selection, as the API server tells them."""

    def __init__(
        self,
        kube: Kube,
        selection: Selection,
        *,
        trim: Trim | None = None,
        indexes: Mapping[str, Index] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.selection = selection
        self.store = Store(indexes)
        self.synced = asyncio.Event()
        """Set once the first list is in the store and its listeners have been told."""
        self.failure: KubeError | None = None
        """Why the store may be out of date; none if it is as current as can be known."""
        self._kube = kube
        self._trim = trim or without_managed_fields
        self._pace = pace or Pace()
        self._listeners: list[Listener] = []

    def __repr__(self) -> str:
        state = "synced" if self.synced.is_set() else "not synced"
        failing = f", failing: {self.failure}" if self.failure else ""
        return f"<Informer {self.selection.path} {len(self.store)} objects, {state}{failing}>"

    def subscribe(self, listener: Listener) -> None:
        """Have a listener told of each change, once the store has it.

        It must not wait, and had better only note what to look at. Subscribe before `run`: what
        is in the store already is not told again.
        """
        self._listeners.append(listener)

    async def run(self) -> None:
        """Keep the store current until cancelled."""
        # The generator ends with us: what it holds open is closed before this returns.
        async with aclosing(follow(self._kube, self.selection, self._pace)) as happenings:
            async for happening in happenings:
                self._take_in(happening)

    def _take_in(self, happening: Happening) -> None:
        match happening:
            case KubeError():
                self._failed(happening)
                return
            case Listing():
                changes = self._listed(happening)
            case Event():
                changes = self._changed(happening)
            case _:
                assert_never(happening)
        if self.failure is not None:
            log.info("%s: heard from again", self.selection.path)
            self.failure = None
        for change in changes:
            self._tell(change)
        self.synced.set()

    def _failed(self, failure: KubeError) -> None:
        # Once, not at every attempt: an outage is one thing that happens.
        if self.failure is None or self.failure.reason != failure.reason:
            log.warning("%s: %s", self.selection.path, failure)
        self.failure = failure

    def _listed(self, listing: Listing) -> list[Change]:
        return self.store.replace({key_of(item): self._trimmed(item) for item in listing.items})

    def _changed(self, event: Event) -> list[Change]:
        if event.kind in {Kind.BEGUN, Kind.BOOKMARK}:
            return []
        key = key_of(event.item)
        if event.kind is Kind.DELETED:
            change = self.store.remove(key)
        else:
            change = self.store.put(key, self._trimmed(event.item))
        return [change] if change else []

    def _trimmed(self, item: Object) -> Object:
        try:
            return self._trim(item)
        except Exception:
            log.exception("an object of %s cannot be trimmed", self.selection.path)
            return item

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                # The store is right, and other keys must not suffer.
                log.exception("a listener to %s failed on %s", self.selection.path, change.key)


def without_managed_fields(item: Object) -> Object:
    """Leave out who manages which field, often half of an object."""
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    return {**item, "metadata": metadata}
