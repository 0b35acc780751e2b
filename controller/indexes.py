"""What objects are found by, and what of them is kept, where that is of no other module's making.

Must not know who looks. No I/O, no clock.
"""

from collections.abc import Hashable, Iterable

from controller.workload import KindRef, TargetKey
from kube.resource import Key, Object

SERVICE_LABEL = "kubernetes.io/service-name"
DEFAULT_API_VERSION, DEFAULT_KIND = "apps/v1", "Deployment"


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


def trim_scaled_object(item: Object) -> Object:
    """Leave of a ScaledObject what it scales."""
    metadata = item["metadata"]
    names = ("name", "namespace", "uid", "resourceVersion")
    ref = (item.get("spec") or {}).get("scaleTargetRef")
    return {
        "metadata": {name: metadata[name] for name in names if name in metadata},
        "spec": {"scaleTargetRef": ref},
    }
