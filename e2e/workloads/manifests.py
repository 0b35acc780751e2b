"""Manifests of workloads that the process kubelet runs, and of routes to them. Pure."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]

PORT = 8080
HEALTH = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}


def deployment(
    name: str,
    *arguments: str,
    replicas: int = 0,
    annotations: Mapping[str, str] | None = None,
    probe: Mapping[str, Any] | None = HEALTH,
    grace_seconds: int = 10,
    module: str = "e2e.workloads.web",
) -> Manifest:
    """Describe a Deployment of pods that run a module with some arguments."""
    container = {
        "name": "app",
        "image": module,
        "command": [sys.executable, "-m", module],
        "args": list(arguments),
        "ports": [{"name": "http", "containerPort": PORT}],
        **({"readinessProbe": dict(probe)} if probe else {}),
    }
    template = {
        "metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": grace_seconds,
            "automountServiceAccountToken": False,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def service(name: str, port: int = 80) -> Manifest:
    """Describe a Service for the pods of a Deployment of that name."""
    ports = [{"name": "http", "port": port, "targetPort": "http", "appProtocol": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def gateway(name: str, hosts: Sequence[str], labels: Mapping[str, str], bind: str) -> Manifest:
    """Describe a Gateway that listens for some hosts on a gateway Envoy's address."""
    server = {
        "port": {"number": 80, "name": "http", "protocol": "HTTP"},
        "bind": bind,
        "hosts": list(hosts),
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"selector": dict(labels), "servers": [server]},
    }


def route(name: str, host: str, target: str, gateway_name: str, port: int = 80) -> Manifest:
    """Describe a VirtualService that sends all requests for a host to a service."""
    destination = {"host": target, "port": {"number": port}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {
            "hosts": [host],
            "gateways": [gateway_name],
            "http": [{"route": [{"destination": destination}]}],
        },
    }


def hold(
    name: str, api_version: str = "apps/v1", kind: str = "Deployment", **spec: Any
) -> Manifest:
    """Describe a TrafficHold for a workload of the same name."""
    target = {"apiVersion": api_version, "kind": kind, "name": name}
    return {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "TrafficHold",
        "metadata": {"name": name},
        "spec": {"targetRef": target, **spec},
    }


def stateful_set(name: str, *arguments: str, **fields: Any) -> Manifest:
    """Describe a StatefulSet of the pods that a Deployment would have."""
    like = deployment(name, *arguments, **fields)
    return {**like, "kind": "StatefulSet", "spec": {**like["spec"], "serviceName": name}}


def split(
    name: str, host: str, gateway_name: str, destinations: Sequence[Mapping[str, Any]]
) -> Manifest:
    """Describe a VirtualService that sends as many of a host's requests to each destination."""
    share, rest = divmod(100, len(destinations))
    weights = [share + rest, *(share for _ in destinations[1:])]
    routes = [
        {"destination": dict(where), "weight": weight}
        for where, weight in zip(destinations, weights, strict=True)
    ]
    whole = route(name, host, "", gateway_name)
    return {**whole, "spec": {**whole["spec"], "http": [{"route": routes}]}}
