"""Objects as an API server has them, with what a test does not care about filled in."""

from typing import Any

from crds.v1alpha1 import TrafficHold
from kube.resource import SERVICE_LABEL

REFUSED = {
    "conditions": [
        {
            "type": "Accepted",
            "status": "False",
            "reason": "TargetConflict",
            "message": "an older TrafficHold has the same target",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]
}


def meta(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", **more}


def hold(name="cart", *, services=("cart",), status=None, namespace="shop", **spec):
    """Make a TrafficHold for a Deployment of its name; `services` are those listed."""
    listed = {"services": [{"name": each} for each in services]} if services else {}
    return {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "TrafficHold",
        "metadata": meta(name, namespace),
        "spec": {"targetRef": {"name": name}, **listed, **spec},
        "status": status or {},
    }


def read_hold(*args: Any, **options: Any) -> TrafficHold:
    """Make a TrafficHold as it is read."""
    return TrafficHold.parse(hold(*args, **options))


def service(name="cart", *, ports=(("http", 80),), namespace="shop"):
    """Make a Service; its ports are pairs of a name and a number."""
    return {
        "metadata": meta(name, namespace),
        "spec": {
            "clusterIP": "10.0.0.1",
            "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports],
        },
    }


def endpoints(service="cart", *ready, port="http", name=None, namespace="shop"):
    """Make an EndpointSlice; each endpoint is the value of its condition `ready`."""
    return {
        "metadata": meta(
            name or f"{service}-1", namespace, labels={SERVICE_LABEL: service, "other": "x"}
        ),
        "ports": [{"name": port, "port": 8080}],
        "endpoints": [
            {"addresses": [f"192.0.2.{n}"], "conditions": {"ready": each}, "nodeName": "a"}
            for n, each in enumerate(ready)
        ],
    }


def pod(name="cart-1", *, ready=False, waiting=None, message=None, conditions=(), **metadata):
    """Make a pod with one container; `waiting` is the reason why it does not run."""
    state: dict[str, Any] = {"running": {}}
    if waiting:
        state = {"waiting": {"reason": waiting, **({"message": message} if message else {})}}
    status = "True" if ready else "False"
    return {
        "metadata": meta(name, labels={"app": "cart"}, **metadata),
        "status": {
            "conditions": [{"type": "Ready", "status": status}, *conditions],
            "containerStatuses": [{"name": "app", "state": state}],
        },
    }


def unschedulable(since: str, **more: str) -> dict[str, str]:
    """Make the condition of a pod that no node has room for."""
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "lastTransitionTime": since,
        **more,
    }


def deployment(name="cart", *, replicas=0, conditions=()):
    """Make a Deployment."""
    return {
        "metadata": meta(name),
        "spec": {"replicas": replicas},
        "status": {"conditions": list(conditions)},
    }


QUOTA = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": "exceeded quota: pods",
}


def event(reason="FailedCreate", *, at="2026-01-01T12:00:00Z", note="exceeded quota: pods", **how):
    """Make an Event about `cart`, as those tell it who have yet to take up series."""
    moment = how or {"deprecatedLastTimestamp": at}
    return {
        "metadata": meta(f"cart.{reason}", creationTimestamp="2026-01-01T00:00:00Z"),
        "regarding": {"name": "cart", "uid": "uid-of-cart"},
        "reason": reason,
        "note": note,
        **moment,
    }
