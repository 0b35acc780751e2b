"""What objects are found by, and what of them is kept, where that is of no other module's making.

Must not know who looks. No I/O, no clock.
"""

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from controller.workload import KindRef, TargetKey
from kube.resource import SERVICE_LABEL, Key, Object

DEFAULT_API_VERSION, DEFAULT_KIND = "apps/v1", "Deployment"
ADOPTED = "layby.dev/adopted"
"""On a ScaledObject of a user's: which TrafficHold has changed it, and what it said before."""
_TOLD = frozenset({"Ready", "Active"})


class Adopter(NamedTuple):
    """A TrafficHold that uses a ScaledObject of a user's."""

    name: str
    uid: str


def target_of(item: Object) -> TargetKey:
    """Return the target of a TrafficHold or a ScaledObject, whose defaults are the same."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    ref = spec.get("targetRef") or spec.get("scaleTargetRef") or {}
    return TargetKey(
        (ref.get("apiVersion") or DEFAULT_API_VERSION).rpartition("/")[0],
        ref.get("kind") or DEFAULT_KIND,
        metadata.get("namespace", ""),
        ref.get("name") or "",
    )


def kind_of_target(item: Object) -> KindRef:
    """Return the kind of the target, with the version in which it is named."""
    ref = (item.get("spec") or {}).get("targetRef") or {}
    version = ref.get("apiVersion") or DEFAULT_API_VERSION
    return KindRef(version, ref.get("kind") or DEFAULT_KIND)


def by_target(item: Object) -> Iterable[Hashable]:
    """Index what has a target by it."""
    return [target_of(item)]


def hold_services(item: Object) -> list[str] | None:
    """Return the Services that a TrafficHold lists; none if it takes those that there are."""
    listed = (item.get("spec") or {}).get("services")
    return [each["name"] for each in listed] if listed else None


def by_listed_service(item: Object) -> Iterable[Hashable]:
    """Index a TrafficHold by the Services that it lists."""
    namespace = item["metadata"].get("namespace", "")
    return [(namespace, name) for name in hold_services(item) or ()]


def service_of_slice(item: Object) -> Key | None:
    """Return the Service that an EndpointSlice is of."""
    metadata = item["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_LABEL)
    return Key(metadata["namespace"], name) if name else None


def by_service(item: Object) -> Iterable[Hashable]:
    """Index an EndpointSlice by its Service."""
    key = service_of_slice(item)
    return [key] if key else []


def by_owner(item: Object) -> Iterable[Hashable]:
    """Index an object by the uids of those that it goes with."""
    return [owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()]


def trim_slice(item: Object) -> Object:
    """Leave of an EndpointSlice whose it is, and how many of its endpoints are ready."""
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    return {
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
            "labels": {key: value for key, value in labels.items() if key == SERVICE_LABEL},
        },
        # As an unknown one, one that does not say counts as ready.
        "ready": sum(
            (endpoint.get("conditions") or {}).get("ready") is not False
            for endpoint in item.get("endpoints") or ()
        ),
    }


def trim_namespace(item: Object) -> Object:
    """Leave of a Namespace what selects it, and what it says to Layby and to istiod."""
    metadata = item["metadata"]
    names = ("name", "uid", "resourceVersion", "labels", "annotations", "deletionTimestamp")
    return {"metadata": {name: metadata[name] for name in names if name in metadata}}


def by_adopter(item: Object) -> Iterable[Hashable]:
    """Index a ScaledObject of a user's by the uid of the TrafficHold that has changed it."""
    uid = adopter_of(item).uid
    return [uid] if uid else []


def memory_of(item: Object) -> Mapping[str, Any]:
    """Return what Layby has noted on a ScaledObject of a user's; nothing if it cannot be read."""
    try:
        memory = json.loads((item["metadata"].get("annotations") or {})[ADOPTED])
    except (KeyError, ValueError):
        return {}
    readable = isinstance(memory, dict) and all(
        isinstance(memory.get(part, {}), dict) for part in ("was", "set")
    )
    return memory if readable else {}


def adopter_of(item: Object) -> Adopter:
    """Return the TrafficHold that has changed a ScaledObject of a user's; empty if none has."""
    memory = memory_of(item)
    return Adopter(str(memory.get("trafficHold") or ""), str(memory.get("uid") or ""))


def trim_scaled_object(item: Object) -> Object:
    """Leave of a ScaledObject what `ScaledObject.read` looks at: KEDA notes each of its polls."""
    metadata = item["metadata"]
    names = (
        *("name", "namespace", "uid", "resourceVersion", "ownerReferences"),
        *("labels", "deletionTimestamp"),
    )
    annotations = metadata.get("annotations") or {}
    conditions = (item.get("status") or {}).get("conditions") or ()
    return {
        "metadata": {
            **{name: metadata[name] for name in names if name in metadata},
            "annotations": {
                name: value
                for name, value in annotations.items()
                if name.startswith(("layby.dev/", "autoscaling.keda.sh/"))
            },
        },
        "spec": item["spec"],
        "status": {"conditions": [each for each in conditions if each.get("type") in _TOLD]},
    }
