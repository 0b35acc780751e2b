"""How many endpoints of a Service port are ready, by its EndpointSlices.

Follows discovery.k8s.io/v1: an unknown readiness counts as ready. Must not know who waits.
"""

from collections.abc import Iterable

from kube.resource import Object


def ready_endpoints(slices: Iterable[Object], port_name: str) -> int:
    """Count the ready addresses that serve the port of this name, each once."""
    return len(
        {
            address
            for each in slices
            if any((port.get("name") or "") == port_name for port in each.get("ports") or ())
            for endpoint in each.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False
            for address in endpoint.get("addresses") or ()
        }
    )
