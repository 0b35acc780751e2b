"""What we have written, until the informers have it too.

Between a write and the watch's word of it the store has the object as it was before, and a plan
made from that would write it again. Owns no object, and must not know any kind. No I/O, no clock:
`now` is monotonic seconds.
"""

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from kube.resource import Object

KEEP_SECONDS = 10.0
"""A watch that is later than this is cut off, and its informer will list again."""

T = TypeVar("T")


def version_of(item: Object | None) -> str:
    """Return the version of an object in a store; empty if there is none."""
    version: str = item["metadata"].get("resourceVersion", "") if item is not None else ""
    return version


class _Entry(NamedTuple, Generic[T]):
    seen: str
    value: T
    until: float


class Overlay(Generic[T]):
    """Values that stand for those in a store, for as long as that has not moved on."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Hashable, seen: str, value: T, now: float) -> None:
        """Have a value for an object whose version in the store is `seen`; empty if it has none."""
        self._entries.pop(key, None)
        # The oldest come first. Nobody asks again for what is gone.
        while self._entries and (first := next(iter(self._entries.items())))[1].until <= now:
            del self._entries[first[0]]
        self._entries[key] = _Entry(seen, value, now + KEEP_SECONDS)

    def get(self, key: Hashable, seen: str, now: float) -> T | None:
        """Return the value, if the store still has the object as it was."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.seen != seen or entry.until <= now:
            del self._entries[key]
            return None
        return entry.value
