"""The objects that an informer has seen, by key and by what they are looked up by.

Owns the snapshot and its indexes. Must not know where objects come from. No I/O, no clock.

A snapshot is never changed once it has been handed out: the first change after that is made to a
copy. A burst of changes that nobody looks at in between costs one copy at most.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from kube.resource import Key, Object

Index: TypeAlias = Callable[[Object], Iterable[Hashable]]
"""What an object shall be found by. Must not fail; one that does finds nothing."""

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """Look again at a key. The objects tell who else has to look, and no more than that."""

    key: Key
    old: Object | None
    new: Object | None


class Store:
    """The current objects of a resource, as far as they are selected."""

    def __init__(self, indexes: Mapping[str, Index] | None = None) -> None:
        self._functions = dict(indexes or {})
        self._objects: dict[Key, Object] = {}
        self._indexes = self._indexed({})
        self._shared = False

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        return f"<Store {len(self)} objects>"

    def get(self, key: Key) -> Object | None:
        """Return an object, if there is one."""
        return self._objects.get(key)

    def snapshot(self) -> Mapping[Key, Object]:
        """Return all objects as they are now."""
        self._shared = True
        return MappingProxyType(self._objects)

    def keys_by(self, index: str, value: Hashable) -> Collection[Key]:
        """Return the keys of the objects for which the index function returned this value."""
        return frozenset(self._indexes[index].get(value, ()))

    def objects_by(self, index: str, value: Hashable) -> list[Object]:
        """Return these objects, in the order of their keys."""
        return [self._objects[key] for key in sorted(self.keys_by(index, value))]

    def replace(self, objects: Mapping[Key, Object], namespace: str = "") -> list[Change]:
        """Have these objects and no others, in a namespace or in all; return what has changed."""
        old = self._objects
        kept = {k: item for k, item in old.items() if namespace and k.namespace != namespace}
        self._objects = {**kept, **objects}
        self._shared = False
        self._indexes = self._indexed(self._objects)
        gone = [Change(key, item, None) for key, item in old.items() if key not in self._objects]
        come = [
            Change(key, old.get(key), item)
            for key, item in objects.items()
            if not _same(old.get(key), item)
        ]
        return gone + come

    def put(self, key: Key, item: Object) -> Change | None:
        """Have this object in place of what there was; return what has changed."""
        old = self._objects.get(key)
        if _same(old, item):
            return None
        self._writable()[key] = item
        self._reindex(key, old, item)
        return Change(key, old, item)

    def remove(self, key: Key) -> Change | None:
        """Have no such object; return what has changed."""
        old = self._objects.get(key)
        if old is None:
            return None
        del self._writable()[key]
        self._reindex(key, old, None)
        return Change(key, old, None)

    def _writable(self) -> dict[Key, Object]:
        if self._shared:
            self._objects = dict(self._objects)
            self._shared = False
        return self._objects

    def _indexed(self, objects: Mapping[Key, Object]) -> dict[str, dict[Hashable, set[Key]]]:
        indexes: dict[str, dict[Hashable, set[Key]]] = {name: {} for name in self._functions}
        for name, function in self._functions.items():
            for key, item in objects.items():
                for value in _values(function, item):
                    indexes[name].setdefault(value, set()).add(key)
        return indexes

    def _reindex(self, key: Key, old: Object | None, new: Object | None) -> None:
        for name, function in self._functions.items():
            index = self._indexes[name]
            before, after = _values(function, old), _values(function, new)
            for value in before - after:
                index[value].discard(key)
                if not index[value]:
                    del index[value]
            for value in after - before:
                index.setdefault(value, set()).add(key)


def _values(function: Index, item: Object | None) -> frozenset[Hashable]:
    if item is None:
        return frozenset()
    try:
        return frozenset(function(item))
    except Exception:
        log.exception("an index function failed on %s", item.get("metadata"))
        return frozenset()


def _same(old: Object | None, new: Object) -> bool:
    if old is None:
        return False
    metadata, other = old["metadata"], new["metadata"]
    # A version is unique for an object's name only while it is the same object.
    return all(metadata.get(name) == other.get(name) for name in ("uid", "resourceVersion"))
