"""The EnvoyFilter object that puts the gate into the Envoys of a mesh.

Owns where the filters go: before the router, in listeners of the given contexts.
Must not know what the filters do, nor talk to a cluster.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from envoy_data_plane.google.protobuf import Any

from istio.accesslog import logging_manager
from istio.gate import GateOptions, gate
from istio.protojson import to_dict

HOLD_CLUSTER = "outbound|9002||layby-extproc.layby-system.svc.cluster.local"
"""The cluster that istiod makes for the hold servers' Service, as Layby is installed."""
PRIORITY = 10
MANAGER = "envoy.filters.network.http_connection_manager"
LOG_FLUSH_SECONDS = 0.5
LOG_INTERVAL_SECONDS = 5.0
"""How often a request that goes on is logged again; see `FORGOTTEN_AFTER` of the hold server."""

Context: TypeAlias = Literal["ANY", "GATEWAY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND"]


def envoy_filter(
    options: GateOptions,
    *,
    name: str,
    namespace: str,
    contexts: Sequence[Context] = ("GATEWAY", "SIDECAR_OUTBOUND"),
) -> dict[str, object]:
    """Return the EnvoyFilter `namespace/name`; in istiod's root namespace it is mesh wide.

    istiod applies patches in the order they are listed, each right before the router, so the
    gate's own order is kept.
    """
    filters = [to_dict(part) for part in gate(options)]
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            # With a priority, so that istiod applies it behind filters that others insert.
            "priority": PRIORITY,
            "configPatches": [
                *(_before_router(context, part) for context in contexts for part in filters),
                *(_logging(context, options.cluster_name) for context in contexts),
            ],
        },
    }


def _before_router(context: Context, value: dict[str, object]) -> dict[str, object]:
    router = {"name": MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}
    return {
        "applyTo": "HTTP_FILTER",
        "match": {"context": context, "listener": {"filterChain": {"filter": router}}},
        "patch": {"operation": "INSERT_BEFORE", "value": value},
    }


def _logging(context: Context, cluster_name: str) -> dict[str, object]:
    """Add the demand log to whatever else the connection manager logs."""
    manager = logging_manager(
        cluster_name, flush_seconds=LOG_FLUSH_SECONDS, interval_seconds=LOG_INTERVAL_SECONDS
    )
    value = {"name": MANAGER, "typed_config": to_dict(Any.pack(manager))}
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": context, "listener": {"filterChain": {"filter": {"name": MANAGER}}}},
        "patch": {"operation": "MERGE", "value": value},
    }
