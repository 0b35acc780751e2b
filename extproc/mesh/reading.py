"""TrafficHolds as the directory wants them: what is kept of each, and each parsed once.

A status is written again and again while requests come, and there may be thousands of holds: what
no request depends on must cost nothing. Must not know what is held.
"""

import logging
from collections.abc import Mapping

from crds.condition import ConditionType
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from kube.resource import Key, Object

log = logging.getLogger(__name__)

_CONDITION = ("type", "status", "reason", "lastTransitionTime")


class Reader:
    """Parses TrafficHolds, each when it comes and when it says something else."""

    def __init__(self) -> None:
        self._read: dict[Key, tuple[Object, TrafficHold | None]] = {}

    def read(self, items: Mapping[Key, Object]) -> list[TrafficHold]:
        """Return the holds among these; those that cannot be read are left out, and logged once."""
        self._read = {key: self._reading(key, item) for key, item in items.items()}
        return [hold for _, hold in self._read.values() if hold]

    def _reading(self, key: Key, item: Object) -> tuple[Object, TrafficHold | None]:
        known = self._read.get(key)
        if known and says_the_same(known[0], item):
            return known
        try:
            return item, TrafficHold.parse(item, unknown="ignore")
        except InvalidResourceError as error:
            log.warning("left out: %s", error)
            return item, None


def says_the_same(old: Object | None, new: Object | None) -> bool:
    """Whether two trimmed objects, one after the other, make no difference."""
    if old is None or new is None or old is new:
        return old is new
    return all(old.get(part) == new.get(part) for part in ("spec", "status"))


def trim(item: Object) -> Object:
    """Leave out of a TrafficHold what is not read here."""
    status = item.get("status") or {}
    kept = {"services": status["services"]} if "services" in status else {}
    conditions = [
        {name: each[name] for name in _CONDITION if name in each}
        for each in status.get("conditions") or ()
        if each.get("type") == ConditionType.ACCEPTED
    ]
    return {
        "metadata": {
            name: item["metadata"][name]
            for name in ("name", "namespace", "uid", "resourceVersion")
            if name in item["metadata"]
        },
        "spec": item.get("spec"),
        "status": {**kept, "conditions": conditions},
    }
