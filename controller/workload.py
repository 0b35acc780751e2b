"""The workload a TrafficHold is for: what of it matters here, whatever its kind.

Owns how it is read from an object, and what of that object is worth keeping. Must not know who
holds it.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kube.resource import Object
from telemetry.savings import requested_cores

GATEWAY_LABELS = ("gateway.networking.k8s.io/gateway-name", "gateway.istio.io/managed")
TEMPLATES_ANNOTATION = "inject.istio.io/templates"
GATEWAY_TEMPLATES = frozenset({"gateway", "grpc-agent"})
_OURS = "layby.dev/"


class KindKey(NamedTuple):
    """A kind of workload. The version of its API does not matter."""

    group: str
    kind: str


class KindRef(NamedTuple):
    """A kind, as a reference names it."""

    api_version: str
    kind: str


class TargetKey(NamedTuple):
    """A workload's name in the whole cluster. The version of its API does not matter."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload."""

    key: TargetKey
    uid: str
    version: str
    """Of the object, which changes with each write."""
    replicas: int | None
    """How many are asked for; none if only its scale tells."""
    pod_labels: Mapping[str, str] | None
    """Those of its pod template; none if it has no template. Its scale may tell."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    is_gateway: bool
    """Whether its pods are Envoys themselves: no request could be parked before them."""
    cores: float
    """The CPU that one of its pods requests, as its template says; 0 if it does not."""
    is_part: bool
    """Whether it is there as a part of another workload, as a Deployment's ReplicaSets are."""

    @classmethod
    def read(cls, item: Object) -> "Workload":
        """Read a workload of any kind."""
        metadata, spec = item["metadata"], item.get("spec") or {}
        group = item["apiVersion"].rpartition("/")[0]
        pod = (spec.get("template") or {}).get("metadata") or {}
        pod_labels = pod.get("labels")
        return cls(
            key=TargetKey(group, item["kind"], metadata.get("namespace", ""), metadata["name"]),
            uid=metadata.get("uid", ""),
            version=metadata.get("resourceVersion", ""),
            replicas=spec.get("replicas"),
            pod_labels=pod_labels,
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            cores=requested_cores((spec.get("template") or {}).get("spec") or {}),
            is_gateway=_is_gateway(pod_labels or {}, pod.get("annotations") or {}),
            is_part=any(
                owner.get("controller") and owner.get("kind") in {"Deployment", "Rollout"}
                for owner in metadata.get("ownerReferences") or ()
            ),
        )


def trim(item: Object) -> Object:
    """Leave of a workload what `Workload.read` looks at: a pod template may have kilobytes."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    whole = spec.get("template") or {}
    pod = whole.get("metadata") or {}
    template = {
        "labels": pod.get("labels"),
        "annotations": _only(pod.get("annotations"), (TEMPLATES_ANNOTATION,)),
    }
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": {
            **{
                name: metadata[name]
                for name in (
                    *("name", "namespace", "uid", "resourceVersion", "labels"),
                    "ownerReferences",
                )
                if name in metadata
            },
            "annotations": _only(metadata.get("annotations"), (_OURS,)),
        },
        "spec": {
            **({"replicas": spec["replicas"]} if "replicas" in spec else {}),
            **(
                {"template": {"metadata": template, "spec": _requests(whole.get("spec") or {})}}
                if "template" in spec
                else {}
            ),
        },
    }


def by_pod_label(item: Object) -> Iterable[Hashable]:
    """Index a workload by each label of its pods: namespace, key, value."""
    template = (item.get("spec") or {}).get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    namespace = item["metadata"].get("namespace", "")
    return [(namespace, key, value) for key, value in labels.items()]


def _is_gateway(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    templates = {name.strip() for name in annotations.get(TEMPLATES_ANNOTATION, "").split(",")}
    return not templates.isdisjoint(GATEWAY_TEMPLATES) or any(
        label in labels for label in GATEWAY_LABELS
    )


def _requests(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of a pod's spec what says how much of a node it takes."""
    kept: dict[str, Any] = {
        kind: [
            {name: each[name] for name in ("resources", "restartPolicy") if name in each}
            for each in pod[kind]
        ]
        for kind in ("containers", "initContainers")
        if pod.get(kind)
    }
    return {**kept, **({"overhead": pod["overhead"]} if "overhead" in pod else {})}


def _only(annotations: Mapping[str, str] | None, prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in (annotations or {}).items() if name.startswith(prefixes)}
