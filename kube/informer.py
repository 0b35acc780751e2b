"""What there is of a resource, kept current; and who is told when it changes.

Owns the store and the listeners. Must not know what objects mean, nor do anything about them.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from typing import TypeAlias, assert_never

from kube.client import Kube, Listing
from kube.errors import ForbiddenError, KubeError, NotFoundError
from kube.resource import Object, Selection, key_of
from kube.store import Change, Index, Store
from kube.watch import Event, Happening, Kind, Pace, follow

Listener: TypeAlias = Callable[[Change], None]
Trim: TypeAlias = Callable[[Object], Object]
"""Leaves out of an object what nobody here reads. Keep its metadata's name, version and uid."""

REFUSED_SECONDS = 10.0
"""How long a first list that is refused is waited for: rights take a moment after an install."""

log = logging.getLogger(__name__)


class Informer:
    """The objects of some selections, as the API server tells them.

    Args:
        kube: the API.
        selections: of one resource, each of another namespace unless there is but one. Each is
            followed by itself: one that fails holds up no other. Of none there is nothing.
        trim: what is kept of each object.
        indexes: what objects are found by.
        pace: how long things may take.
        optional: namespaces that may be missing. One whose first list is refused for longer than
            `REFUSED_SECONDS` holds up no other: `synced` does without it, until it is listed.
    """

    def __init__(
        self,
        kube: Kube,
        *selections: Selection,
        trim: Trim | None = None,
        indexes: Mapping[str, Index] | None = None,
        pace: Pace | None = None,
        optional: Collection[str] = (),
    ) -> None:
        self.selections = selections
        self.store = Store(indexes)
        self.synced = asyncio.Event()
        """Set once the first list of each is in the store and its listeners have been told; not of
        those that are passed over, of which `synced_in` tells."""
        self._kube = kube
        self._trim = trim or without_managed_fields
        self._pace = pace or Pace()
        self._listeners: list[Listener] = []
        self._optional = frozenset(optional)
        self._failures: dict[Selection, KubeError] = {}
        self._listed = {selection: asyncio.Event() for selection in selections}
        self._refused_since: dict[Selection, float] = {}
        self._passed_over: set[Selection] = set()
        self._see_whether_synced()

    def __repr__(self) -> str:
        paths = " and ".join(selection.path for selection in self.selections)
        state = "synced" if self.synced.is_set() else "not synced"
        failing = f", failing: {self.failure}" if self.failure else ""
        return f"<Informer {paths or 'of nothing'} {len(self.store)} objects, {state}{failing}>"

    @property
    def failure(self) -> KubeError | None:
        """Why the store may be out of date; none if it is as current as can be known."""
        return next(iter(self._failures.values()), None)

    def failure_in(self, namespace: str) -> KubeError | None:
        """Why what is known of a namespace may be out of date."""
        return self._failures.get(self._selection(namespace))

    def synced_in(self, namespace: str) -> asyncio.Event:
        """Set once the first list with a namespace is in the store. It must be a selected one."""
        return self._listed[self._selection(namespace)]

    def _selection(self, namespace: str) -> Selection:
        return next(each for each in self.selections if each.namespace in {"", namespace})

    def subscribe(self, listener: Listener) -> None:
        """Have a listener told of each change, once the store has it.

        It must not wait, and had better only note what to look at. Subscribe before `run`: what
        is in the store already is not told again.
        """
        self._listeners.append(listener)

    def forget(self) -> None:
        """Be as before the first list, and tell nobody. Not while it runs."""
        self.store.replace({})
        self._failures.clear()
        self._refused_since.clear()
        self._passed_over.clear()
        for listed in self._listed.values():
            listed.clear()
        self._see_whether_synced()

    async def run(self) -> None:
        """Keep the store current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for selection in self.selections:
                group.create_task(self._follow(selection), name=f"follow {selection.path}")

    async def _follow(self, selection: Selection) -> None:
        # The generator ends with us: what it holds open is closed before this returns.
        async with aclosing(follow(self._kube, selection, self._pace)) as happenings:
            async for happening in happenings:
                self._take_in(selection, happening)

    def _take_in(self, selection: Selection, happening: Happening) -> None:
        match happening:
            case KubeError():
                self._failed(selection, happening)
                return
            case Listing():
                changes = self._replaced(selection, happening)
            case Event():
                changes = self._changed(happening)
            case _:
                assert_never(happening)
        if self._failures.pop(selection, None):
            log.info("%s: heard from again", selection.path)
        for change in changes:
            self._tell(change)
        self._listed[selection].set()
        self._see_whether_synced()

    def _see_whether_synced(self) -> None:
        unlisted = {each for each, listed in self._listed.items() if not listed.is_set()}
        (self.synced.clear if unlisted - self._passed_over else self.synced.set)()

    def _failed(self, selection: Selection, failure: KubeError) -> None:
        # Once, not at every attempt: an outage is one thing that happens.
        last = self._failures.get(selection)
        if last is None or last.reason != failure.reason:
            log.warning("%s: %s", selection.path, failure)
        self._failures[selection] = failure
        self._refused(selection, failure)

    def _refused(self, selection: Selection, failure: KubeError) -> None:
        """Wait no longer for what has been refused for long."""
        if not isinstance(failure, ForbiddenError | NotFoundError):
            self._refused_since.pop(selection, None)
            return
        now = asyncio.get_running_loop().time()
        since = self._refused_since.setdefault(selection, now)
        if (
            now - since < REFUSED_SECONDS
            or selection.namespace not in self._optional
            or selection in self._passed_over
            or self._listed[selection].is_set()
        ):
            return
        self._passed_over.add(selection)
        log.warning(
            "%s is refused still, and the other namespaces do not wait for it: if namespace %s is "
            "gone, take it out of watchNamespaces; otherwise see that it has Layby's Role",
            *(selection.path, selection.namespace),
        )
        self._see_whether_synced()

    def _replaced(self, selection: Selection, listing: Listing) -> list[Change]:
        items = {key_of(item): self._trimmed(item) for item in listing.items}
        return self.store.replace(items, selection.namespace)

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
            log.exception("%s %s/%s cannot be trimmed", item.get("kind"), *key_of(item))
            return item

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                # The store is right, and other keys must not suffer.
                plural = self.selections[0].resource.plural
                log.exception("a listener to %s failed on %s", plural, change.key)


def without_managed_fields(item: Object) -> Object:
    """Leave out who manages which field, often half of an object."""
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    return {**item, "metadata": metadata}
