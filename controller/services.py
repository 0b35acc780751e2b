"""Which Services lead to a workload, and which of them can be held.

Owns what makes a Service holdable: Envoy must see its requests, and count its endpoints. Must not
know who else wants to hold it. No I/O, no clock.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kube.resource import Object

ADDED_LABELS = frozenset(
    {"controller-revision-hash", "pod-template-hash", "rollouts-pod-template-hash"}
)
"""Labels that a controller gives to pods beyond their template. An Argo Rollout puts its own into
the selectors of its Services."""
HTTP = frozenset({"grpc", "grpc-web", "http", "http2", "http_proxy"})
OTHER = frozenset({"https", "mongo", "mysql", "redis", "tcp", "tls", "udp"})
"""What istiod takes a declared port for. What is in neither set it finds out by looking, for each
connection."""
NEVER_HTTP = frozenset({25, 53, 1433, 3306, 5432, 5672, 6379, 9042, 9092, 11211, 27017})
"""Ports of which nobody expects HTTP, where they declare nothing. istiod itself does not look at
25, 53, 3306 and 27017; of the others no client would ever wake anything."""
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": "http2",
    "kubernetes.io/ws": "http",
    "kubernetes.io/wss": "https",
}
_DISTRIBUTION = "networking.istio.io/traffic-distribution"
_NEAREST = ("preferclose", "prefersamezone", "prefersamenode")


@dataclass(frozen=True, slots=True)
class Service:
    """A Service, as far as it matters for holding its requests."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    is_external: bool
    is_headless: bool
    speaks_http: bool
    """Whether any of its ports may."""
    other_ports: tuple[int, ...]
    """Those that do not."""
    shows_unready: str
    """The field by which Envoy is sent endpoints that are not ready, whatever a DestinationRule
    says; empty if there is none."""

    @classmethod
    def read(cls, item: Object, annotations: Mapping[str, str] | None = None) -> "Service":
        """Read a Service; `annotations` are those of its namespace."""
        metadata, spec = item["metadata"], item.get("spec") or {}
        ports = spec.get("ports") or ()
        other = tuple(port["port"] for port in ports if not _may_be_http(port))
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            selector={
                key: value
                for key, value in (spec.get("selector") or {}).items()
                if key not in ADDED_LABELS
            },
            is_external=spec.get("type") == "ExternalName",
            is_headless=spec.get("clusterIP") == "None",
            speaks_http=len(other) < len(ports),
            other_ports=other,
            shows_unready=_shows_unready(spec, metadata.get("annotations"), annotations),
        )


class Problem(StrEnum):
    """Why a Service, or the lack of one, keeps a workload from being held."""

    SERVICE_NOT_FOUND = "ServiceNotFound"
    NO_SERVICE = "NoService"
    SERVICE_WITHOUT_SELECTOR = "ServiceWithoutSelector"
    EXTERNAL_NAME = "ExternalName"
    HEADLESS = "Headless"
    """istiod gives sidecars an ORIGINAL_DST cluster for it, without endpoints that could be
    counted: callers pick a pod by its address, and at zero there is none."""
    NOT_HTTP = "NotHTTP"
    """All its ports are of other protocols: Envoy forwards connections, and sees no request."""
    OTHER_PODS = "OtherPods"
    """It was named, but selects other pods than the target's."""


_TEXTS = {
    Problem.SERVICE_NOT_FOUND: (
        "there is no Service {}: create it, or take it out of spec.services"
    ),
    Problem.NO_SERVICE: (
        "no Service selects the pods of the target: without one there are no requests to hold"
    ),
    Problem.SERVICE_WITHOUT_SELECTOR: (
        "Service {} has no selector, so that its endpoints are not the target's pods"
    ),
    Problem.EXTERNAL_NAME: "Service {} is an ExternalName: name the Service that it stands for",
    Problem.HEADLESS: (
        "Service {} is headless: its callers address single pods, of which there are none at zero; "
        "have them call a Service with a cluster IP"
    ),
    Problem.NOT_HTTP: (
        "Service {} has no HTTP port, and only HTTP requests (gRPC among them) can be held; "
        "if one of its ports is HTTP, say so by its appProtocol"
    ),
    Problem.OTHER_PODS: "Service {} selects other pods than those of the target",
}


class Trouble(NamedTuple):
    """A problem with a Service, or with there being none."""

    problem: Problem
    service: str = ""

    def __str__(self) -> str:
        return _TEXTS[self.problem].format(self.service)


@dataclass(frozen=True, slots=True)
class Leading:
    """The Services that lead to a workload."""

    services: tuple[Service, ...] = ()
    """Those that can be held."""
    troubles: tuple[Trouble, ...] = ()
    """What is in the way of holding the workload."""
    skipped: tuple[Trouble, ...] = ()
    """Those that were found but cannot be held. Nobody has asked for them by name."""


def named(
    names: Iterable[str], services: Mapping[str, Service], pod_labels: Mapping[str, str] | None
) -> Leading:
    """Take the Services that a TrafficHold lists. Each of them has to be fit for it."""
    held: list[Service] = []
    troubles: list[Trouble] = []
    for name in names:
        service = services.get(name)
        if service is None:
            troubles.append(Trouble(Problem.SERVICE_NOT_FOUND, name))
        elif problem := _problem(service):
            troubles.append(Trouble(problem, name))
        elif pod_labels is not None and not selects(service.selector, pod_labels):
            troubles.append(Trouble(Problem.OTHER_PODS, name))
        else:
            held.append(service)
    return Leading(tuple(held), tuple(troubles))


def found(services: Iterable[Service], pod_labels: Mapping[str, str] | None) -> Leading:
    """Take the Services that select the pods. One that is fit for it is enough."""
    matching = sorted(
        (each for each in services if selects(each.selector, pod_labels or {})),
        key=lambda each: each.name,
    )
    held = tuple(each for each in matching if _problem(each) is None)
    unfit = tuple(
        Trouble(problem, each.name) for each in matching if (problem := _problem(each)) is not None
    )
    if held:
        return Leading(held, skipped=unfit)
    return Leading(troubles=unfit or (Trouble(Problem.NO_SERVICE),))


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a Service with this selector has pods with these labels. An empty one has none."""
    return bool(selector) and selector.items() <= labels.items()


def by_selector(item: Object) -> Iterable[Hashable]:
    """Index a Service by one pair of its selector, which is enough to find it by pod labels."""
    selector = (item.get("spec") or {}).get("selector") or {}
    pairs = sorted(pair for pair in selector.items() if pair[0] not in ADDED_LABELS)
    return [(item["metadata"]["namespace"], *pairs[0])] if pairs else []


def trim(item: Object) -> Object:
    """Leave of a Service what `Service.read` looks at."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    keep = ("name", "namespace", "uid", "resourceVersion")
    annotations = metadata.get("annotations") or {}
    fields = ("selector", "type", "clusterIP", "trafficDistribution", "publishNotReadyAddresses")
    ports = [
        {name: port[name] for name in ("name", "port", "protocol", "appProtocol") if name in port}
        for port in spec.get("ports") or ()
    ]
    return {
        "metadata": {
            **{name: metadata[name] for name in keep if name in metadata},
            "annotations": {k: v for k, v in annotations.items() if k == _DISTRIBUTION},
        },
        "spec": {**{name: spec[name] for name in fields if name in spec}, "ports": ports},
    }


def _problem(service: Service) -> Problem | None:
    if service.is_external:
        return Problem.EXTERNAL_NAME
    if not service.selector:
        return Problem.SERVICE_WITHOUT_SELECTOR
    if service.is_headless:
        return Problem.HEADLESS
    if not service.speaks_http:
        return Problem.NOT_HTTP
    return None


def _may_be_http(port: Object) -> bool:
    """Tell as istiod does: by appProtocol, else by the name up to its first '-'."""
    if port.get("protocol", "TCP") != "TCP":
        return False
    declared: str = port.get("appProtocol") or port.get("name") or ""
    text = _APP_PROTOCOLS.get(declared, declared).lower()
    protocol = "grpc-web" if text.startswith("grpc-web") else text.partition("-")[0]
    if protocol in HTTP or protocol in OTHER:
        return protocol in HTTP
    return port.get("port") not in NEVER_HTTP


def _shows_unready(
    spec: Object, own: Mapping[str, str] | None, inherited: Mapping[str, str] | None
) -> str:
    if spec.get("publishNotReadyAddresses"):
        return "spec.publishNotReadyAddresses"
    if str(spec.get("trafficDistribution") or "").lower() in _NEAREST:
        return "spec.trafficDistribution"
    if text := (own or {}).get(_DISTRIBUTION, "").lower():
        return f"the annotation {_DISTRIBUTION}" if text in _NEAREST else ""
    text = (inherited or {}).get(_DISTRIBUTION, "").lower()
    return f"the namespace's annotation {_DISTRIBUTION}" if text in _NEAREST else ""
