"""A user's ScaledObject as it is with Layby's trigger, and as it was without.

Owns what is changed of it, and what is noted so that all of that can be put back. Must not know who
writes it, nor when. No I/O, no clock.

Noted is what each field said before Layby first touched it, and what Layby has set: a value that is
neither is the user's, who has applied the manifest again. It becomes what is put back.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from controller.applied import has
from controller.indexes import ADOPTED, memory_of
from controller.scaled_object import (
    KEDA_POLLING_SECONDS,
    Scaler,
    fallback,
    is_ours,
    polling_seconds,
    trigger_for,
)
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.behaviour import Behaviour
from kube.resource import Object

_BEHAVIOR = "advanced.horizontalPodAutoscalerConfig.behavior"
_DEFAULT = Behaviour()


def adopt(item: Object, hold: TrafficHold, scaler: Scaler) -> dict[str, Any] | None:
    """Return the merge patch that makes a ScaledObject serve a TrafficHold; none if it does."""
    spec = item["spec"]
    memory = memory_of(item)
    wanted = _overrides(hold)
    changed, was = _overridden(spec, wanted, memory)
    polling = changed.get("pollingInterval") or KEDA_POLLING_SECONDS
    changed["triggers"] = _with(spec.get("triggers") or (), trigger_for(hold, scaler, polling))
    note = {
        "trafficHold": hold.metadata.name,
        "uid": hold.metadata.uid,
        "was": was,
        "set": wanted,
    }
    return _patch(item, changed, note, memory)


def release(item: Object) -> dict[str, Any] | None:
    """Return the merge patch that makes a ScaledObject what it was; none if it is."""
    spec = item["spec"]
    memory = memory_of(item)
    changed, _ = _overridden(spec, {}, memory)
    changed["triggers"] = [each for each in spec.get("triggers") or () if not is_ours(each)]
    return _patch(item, changed, {}, memory)


def _overrides(hold: TrafficHold) -> dict[str, Any]:
    """Return the fields that a TrafficHold sets: those that it does not leave at their defaults.

    The API server fills defaults in, so that a default cannot be told from no word at all.
    """
    scaling, default = hold.spec.scaling, _DEFAULT.scaling
    fields = {
        "minReplicaCount": (scaling.min_replicas, default.min_replicas),
        "maxReplicaCount": (scaling.max_replicas, default.max_replicas),
        "cooldownPeriod": (math.ceil(hold.spec.idle.after), math.ceil(_DEFAULT.idle.after)),
        "pollingInterval": (polling_seconds(hold), None),
        _BEHAVIOR: (scaling.behavior, None),
        "fallback": (fallback(hold), None),
    }
    return {path: value for path, (value, unset) in fields.items() if value != unset}


def _overridden(
    spec: Object, wanted: Mapping[str, Any], memory: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a spec with the fields that are wanted, and what these were before."""
    was, last = dict(memory.get("was") or {}), dict(memory.get("set") or {})
    changed, before = dict(spec), {}
    for path in sorted({*wanted, *last}):
        now = _get(spec, path.split("."))
        as_set = path in last and has(now, last[path])
        old = was.get(path) if as_set else now
        if path not in wanted:
            changed = _put(changed, path.split("."), old)
            continue
        before[path] = old
        # What the API server has added to it is no reason to write it again.
        if not (as_set and wanted[path] == last[path]):
            changed = _put(changed, path.split("."), wanted[path])
    return changed, before


def _with(triggers: Sequence[Object], ours: Object) -> list[Object]:
    """Put a trigger in its place, or last: KEDA's metrics are called by the places."""
    place = next((i for i, each in enumerate(triggers) if is_ours(each)), len(triggers))
    before, after = triggers[:place], triggers[place + 1 :]
    return [*before, ours, *(each for each in after if not is_ours(each))]


def _patch(
    item: Object, spec: Object, note: Mapping[str, Any], memory: Mapping[str, Any]
) -> dict[str, Any] | None:
    patch: dict[str, Any] = {}
    if inner := _difference(item["spec"], spec):
        patch["spec"] = inner
    if note != memory or (not note and ADOPTED in (item["metadata"].get("annotations") or {})):
        text = json.dumps(note, sort_keys=True, separators=(",", ":")) if note else None
        patch["metadata"] = {"annotations": {ADOPTED: text}}
    if not patch:
        return None
    metadata = item["metadata"]
    preconditions = {name: metadata[name] for name in ("uid", "resourceVersion")}
    return {**patch, "metadata": {**patch.get("metadata", {}), **preconditions}}


def _difference(old: Object, new: Object) -> dict[str, Any]:
    """Return the merge patch that makes the one into the other."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        current = old.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            if inner := _difference(current, value):
                patch[key] = inner
        elif current != value:
            patch[key] = value
    return patch


def _get(spec: Object, path: list[str]) -> Any:  # noqa: ANN401 - whatever it says
    value: Any = spec
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _put(spec: Object, path: list[str], value: object) -> dict[str, Any]:
    """Return a spec with another value in a place; none takes it away, and what is left bare."""
    name, *rest = path
    inner: object = _put(spec.get(name) or {}, rest, value) or None if rest else value
    others = {key: each for key, each in spec.items() if key != name}
    return others if inner is None else {**spec, name: inner}
