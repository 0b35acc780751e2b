"""The gate for Envoys that no istiod configures: a snippet for any, an EnvoyPatchPolicy.

Owns where each piece goes in configuration that others have written. Must not know what the filters
do, nor how the pieces get there.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from istio.accesslog import logging_router
from istio.address import TcpAddress
from istio.cluster import hold_cluster
from istio.envoyfilter import ROUTER
from istio.gate import gate
from istio.mesh import MeshGate
from istio.protojson import to_dict

HOLD_CLUSTER = "layby"
ROUTE_CLUSTERS = "httproute/"
"""How the names of clusters begin that Envoy Gateway makes of an HTTPRoute."""

_TYPES = "type.googleapis.com/envoy.config"
_ROUTERS = f"$..http_filters[?(@.name=='{ROUTER}')]"


class Gateway(NamedTuple):
    """A Gateway of Envoy Gateway's, and those of its listeners that get the gate."""

    namespace: str
    name: str
    listeners: tuple[str, ...] = ("http",)


def snippet(mesh: MeshGate, servers: TcpAddress | None = None) -> dict[str, Any]:
    """Return what to add to a connection manager and to its router, and the cluster to add.

    `servers` is a name of all hold servers, or the address of one; by default that of their
    Service.
    """
    cluster = _cluster(mesh, servers)
    return {
        "http_filters": _filters(mesh),
        "router": to_dict(logging_router(cluster.name)),
        "clusters": [to_dict(cluster)],
    }


def envoy_patch_policy(
    mesh: MeshGate, gateway: Gateway, servers: TcpAddress | None = None
) -> dict[str, Any]:
    """Return the EnvoyPatchPolicy; Envoy Gateway applies its patches in the order they are listed.

    To add at the place of the router is to insert right before it, so the gate's order is kept.
    """
    if "cluster_prefix" not in mesh.model_fields_set:
        mesh = mesh.model_copy(update={"cluster_prefix": ROUTE_CLUSTERS})
    cluster = _cluster(mesh, servers)
    patches = [_patch("cluster.v3.Cluster", cluster.name, {"path": "", "value": to_dict(cluster)})]
    for listener in gateway.listeners:
        name = f"{gateway.namespace}/{gateway.name}/{listener}"
        patches += [_patch("listener.v3.Listener", name, part) for part in _additions(mesh)]
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": {"name": mesh.gate_name, "namespace": gateway.namespace},
        "spec": {
            "targetRef": {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": gateway.name,
            },
            "type": "JSONPatch",
            "jsonPatches": patches,
        },
    }


def _additions(mesh: MeshGate) -> Iterator[dict[str, object]]:
    """Return what is added to a listener, in each of its connection managers."""
    for part in _filters(mesh):
        yield {"jsonPath": _ROUTERS, "value": part}
    for field, value in to_dict(logging_router(_name(mesh))).items():
        yield {"jsonPath": f"{_ROUTERS}.typed_config", "path": field, "value": value}


def _patch(kind: str, name: str, addition: dict[str, object]) -> dict[str, object]:
    return {"type": f"{_TYPES}.{kind}", "name": name, "operation": {"op": "add", **addition}}


def _filters(mesh: MeshGate) -> Sequence[dict[str, object]]:
    named = mesh.model_copy(update={"hold_cluster": _name(mesh)})
    return [to_dict(part) for part in gate(named.options)]


def _cluster(mesh: MeshGate, servers: TcpAddress | None) -> Cluster:
    """Return the cluster of the hold servers, which no istiod makes here."""
    return hold_cluster(
        _name(mesh),
        [servers or TcpAddress(mesh.hold_host, mesh.hold_port)],
        by_name=True,
        keepalive_interval_seconds=mesh.keepalive_interval_seconds,
        keepalive_timeout_seconds=mesh.keepalive_timeout_seconds,
    )


def _name(mesh: MeshGate) -> str:
    return mesh.hold_cluster or HOLD_CLUSTER
