"""The EnvoyFilter object that puts the gate into the Envoys of a mesh.

Owns where the filters go: before the router, in listeners of the given contexts.
Must not know what the filters do, nor talk to a cluster.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from istio.gate import GateOptions, gate
from istio.protojson import to_dict

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
            "configPatches": [
                _before_router(context, part) for context in contexts for part in filters
            ]
        },
    }


def _before_router(context: Context, value: dict[str, object]) -> dict[str, object]:
    connection_manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": {"name": "envoy.filters.http.router"},
    }
    return {
        "applyTo": "HTTP_FILTER",
        "match": {
            "context": context,
            "listener": {"filterChain": {"filter": connection_manager}},
        },
        "patch": {"operation": "INSERT_BEFORE", "value": value},
    }
