"""Objects as an API server has them, with what a test does not care about filled in."""

from typing import Any

from controller.demand import Demand
from controller.facts import Facts, Gate
from controller.rule import Mesh, Rule
from controller.scaled_object import ScaledObject, Scaler
from controller.services import Leading, Service
from controller.workload import Workload
from crds.condition import Attached
from crds.v1alpha1 import TrafficHold

UID = "uid-of-cart"
MESH = Mesh()
ATTACHED = Gate(Attached.ATTACHED, "1 of 1 gateways and sidecars have the gate")
POD = {"app": "cart"}
CRON = {"type": "cron", "metadata": {"timezone": "UTC", "desiredReplicas": "1"}}
SCALER = Scaler("layby-extproc.layby-system.svc.cluster.local:9091")


def meta(name, namespace="shop", **more) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-of-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }
    return {key: value for key, value in metadata.items() if value is not None}


def hold(name="cart", *, target="cart", kind="Deployment", status=None, spec=None, **metadata):
    """Make a TrafficHold."""
    return {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "TrafficHold",
        "metadata": meta(name, **metadata),
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": kind, "name": target},
            **(spec or {}),
        },
        "status": status or {},
    }


def deployment(name="cart", *, replicas=1, pod=None, kind="Deployment", pod_notes=None, **metadata):
    """Make a workload with a pod template."""
    template = {"labels": {"app": name} if pod is None else pod, "annotations": pod_notes or {}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": meta(name, **metadata),
        "spec": {"replicas": replicas, "template": {"metadata": template, "spec": {"big": "x"}}},
    }


def service(name="cart", *, selector=None, ports=None, annotations=None, **spec):
    """Make a Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name, annotations=annotations),
        "spec": {
            "selector": {"app": name} if selector is None else selector,
            "clusterIP": "10.0.0.1",
            "ports": [{"name": "http", "port": 80}] if ports is None else ports,
            **spec,
        },
    }


def endpoints(service="cart", *, ready=1, waiting=0, name=None):
    """Make an EndpointSlice."""
    conditions = [True] * ready + [False] * waiting
    return {
        "metadata": meta(name or f"{service}-1", labels={"kubernetes.io/service-name": service}),
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": c}} for c in conditions],
    }


def namespace(name="shop", *, labels=None, annotations=None, **metadata):
    """Make a Namespace."""
    own = {"kubernetes.io/metadata.name": name, **(labels or {})}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": meta(name, None, labels=own, annotations=annotations, **metadata),
    }


def rule(
    name="cart", *, namespace="shop", host="cart.shop.svc.cluster.local", spec=None, **metadata
):
    """Make a DestinationRule."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": meta(name, namespace, **metadata),
        "spec": {"host": host, **(spec or {})},
    }


def mill(name="mill", *, wheels=1, selector="app=cart", **metadata):
    """Make a workload of a kind of one's own: without a template, and with wheels for replicas."""
    return {
        "apiVersion": "example.org/v1",
        "kind": "Mill",
        "metadata": meta(name, **metadata),
        "spec": {"wheels": wheels, "selector": selector},
    }


def policy(name="all", *, spec=None, status=None, **metadata):
    """Make a HoldPolicy."""
    return {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "HoldPolicy",
        "metadata": meta(name, None, **metadata),
        "spec": {"namespaceSelector": {}, "selector": {}, **(spec or {})},
        "status": status or {},
    }


def scaled_object(name="cart", *, target="cart", spec=None, ready="True", active="False", **meta_):
    """Make a ScaledObject of a user's, that KEDA has looked at."""
    said = {"Ready": ready, "Active": active} if ready else {}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(name, **meta_),
        "spec": {"scaleTargetRef": {"name": target}, "triggers": [CRON], **(spec or {})},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "reason": "Said", "message": f"{kind} is {status}"}
                for kind, status in said.items()
            ]
        },
    }


def definition(*, established="True", **metadata):
    """Make the definition of ScaledObjects, by which KEDA is known to be there."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": meta("scaledobjects.keda.sh", None, **metadata),
        "status": {"conditions": [{"type": "Established", "status": established}]},
    }


def read_scaled_object(*args, **options) -> ScaledObject:
    """Make a ScaledObject as it is read."""
    return ScaledObject.read(scaled_object(*args, **options))


def read_rule(*args, **options) -> Rule:
    """Make a DestinationRule as it is read."""
    return Rule.read(rule(*args, **options), MESH)


def read_service(*args, **options) -> Service:
    """Make a Service as it is read."""
    return Service.read(service(*args, **options))


def read_hold(*args, **options) -> TrafficHold:
    """Make a TrafficHold as it is read."""
    return TrafficHold.parse(hold(*args, **options))


def asleep(**more) -> Demand:
    """Make the demand for a workload that nobody has needed for an hour."""
    return Demand(**{"pending": 0, "in_flight": 0, "quiet": 3600.0, "complete": True, **more})


def facts(**more: Any) -> Facts:
    """Make the facts of a workload that runs, is held, and has just been asked for."""
    made: dict[str, Any] = {
        "hold": read_hold(),
        "target": Workload.read(deployment()),
        "replicas": 1,
        "leading": Leading((read_service(),)),
        "ready_endpoints": 1,
        "demand": asleep(quiet=1.0, in_flight=1),
        "gate": ATTACHED,
        "mesh": MESH,
        "scaler": SCALER,
        "up_for": 3600.0,
        "ready_for": 3600.0,
        "status_age": 3600.0,
        **more,
    }
    return Facts(**made)
