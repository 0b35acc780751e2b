"""How many endpoints of a Service are ready, asked of the cluster.

Must not know who wants to know.
"""

from kube.client import Kube
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, Key, Selection


async def ready_endpoints(kube: Kube, service: Key) -> int:
    """Count the ready endpoints of a Service; unknown counts as ready, as in Kubernetes.

    Raises:
        KubeError: they cannot be listed.
    """
    labels = f"{SERVICE_LABEL}={service.name}"
    slices = (await kube.list(Selection(ENDPOINT_SLICES, service.namespace, labels=labels))).items
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for item in slices
        for endpoint in item.get("endpoints") or ()
    )
