"""The EnvoyFilter objects that put the gate and its demand log into the Envoys of a mesh.

Owns where the filters go: before the router, in listeners of the given contexts.
Must not know what the filters do, nor talk to a cluster.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import KeepaliveSettings
from envoy_data_plane.google.protobuf import Any as AnyMessage

from istio.accesslog import logging_router
from istio.cluster import http2_upstream
from istio.gate import gate
from istio.mesh import Attach, Context, MeshGate
from istio.protojson import to_dict

MANAGER = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"
REVISION_LABEL = "istio.io/rev"
NEW_ENOUGH = r"^(1\.(29|[3-9][0-9]|[1-9][0-9]{2,})|[2-9]|[1-9][0-9]|[^0-9])"
"""The versions of Istio whose proxies get the gate: from 1.29 on, and those of another spelling. An
Envoy before 1.37 rejects its access log, and with that the whole listener: a proxy that is started
anew would have none."""


def log_name(gate_name: str) -> str:
    """Return the name of the EnvoyFilter of the demand log, where it has one of its own."""
    return f"{gate_name}-log"


def envoy_filters(mesh: MeshGate) -> list[dict[str, Any]]:
    """Return the EnvoyFilters; in istiod's root namespace they are mesh wide.

    It is one, unless the gate is for some proxies only. The demand log is for all of them even
    then, for idleness counts everybody's requests: it has an EnvoyFilter of its own, the first.

    istiod applies patches in the order they are listed, each right before the router, so the
    gate's own order is kept.
    """
    filters = [to_dict(part) for part in gate(mesh.options)]
    contexts = mesh.gate_attach.contexts
    holding = [_before_router(context, part) for context in contexts for part in filters]
    counting = [
        *(_logging(context, mesh.cluster_name) for context in Attach.ALL.contexts),
        *(_keepalive(context, mesh) for context in Attach.ALL.contexts),
    ]
    if not mesh.gate_selector and not mesh.gate_revision:
        return [_envoy_filter(mesh, mesh.gate_name, [*holding, *counting])]
    narrow = _envoy_filter(mesh, mesh.gate_name, holding)
    if mesh.gate_revision:
        narrow["metadata"]["labels"] = {REVISION_LABEL: mesh.gate_revision}
    if mesh.gate_selector:
        narrow["spec"]["workloadSelector"] = {"labels": dict(mesh.gate_selector)}
    return [_envoy_filter(mesh, log_name(mesh.gate_name), counting), narrow]


def _envoy_filter(mesh: MeshGate, name: str, patches: Sequence[object]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": mesh.root_namespace},
        # With a priority, so that istiod applies it behind filters that others insert.
        "spec": {"priority": mesh.gate_priority, "configPatches": list(patches)},
    }


def _before_router(context: Context, value: dict[str, object]) -> dict[str, object]:
    return _at_router(context, {"operation": "INSERT_BEFORE", "value": value})


def _logging(context: Context, cluster_name: str) -> dict[str, object]:
    """Add the demand log to the router, whoever is held: idleness counts everybody's requests."""
    router = to_dict(AnyMessage.pack(logging_router(cluster_name)))
    value = {"name": ROUTER, "typed_config": router}
    return _at_router(context, {"operation": "MERGE", "value": value})


def _at_router(context: Context, patch: dict[str, object]) -> dict[str, object]:
    router = {"name": MANAGER, "subFilter": {"name": ROUTER}}
    return {
        "applyTo": "HTTP_FILTER",
        "match": _match(context, listener={"filterChain": {"filter": router}}),
        "patch": patch,
    }


def _keepalive(context: Context, mesh: MeshGate) -> dict[str, object]:
    """Ping the hold servers, in the very cluster that the gate asks.

    istiod merges messages, but replaces the entries of maps: these are all of the cluster's HTTP
    options, not just those that it lacks. Without HTTP/2 among them no stream would get through.
    """
    keepalive = KeepaliveSettings(
        interval=timedelta(seconds=mesh.keepalive_interval_seconds),
        timeout=timedelta(seconds=mesh.keepalive_timeout_seconds),
    )
    cluster = Cluster(typed_extension_protocol_options=http2_upstream(keepalive))
    return {
        "applyTo": "CLUSTER",
        "match": _match(context, cluster={"name": mesh.cluster_name}),
        "patch": {"operation": "MERGE", "value": to_dict(cluster)},
    }


def _match(context: Context, **where: object) -> dict[str, object]:
    """Return what a patch is for: proxies that can have the gate, and a place in them."""
    return {"context": context, "proxy": {"proxyVersion": NEW_ENOUGH}, **where}
