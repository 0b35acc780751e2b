"""What the name of an Envoy cluster says, as istiod makes it.

`outbound|80|v1|cart.shop.svc.cluster.local`: direction, service port, subset, host; see
pilot/pkg/model/context.go, `BuildSubsetKey`. The same at gateways and sidecars.
"""

from typing import NamedTuple

FIELDS = 4
OUTBOUND = "outbound"


class Destination(NamedTuple):
    """A port of a Kubernetes Service; a subset leads to some of its pods, and wakes all."""

    namespace: str
    service: str
    port: int


def destination(cluster: str, domain: str) -> Destination | None:
    """The Service port behind a cluster, if it is one; `domain` is the cluster's DNS domain."""
    fields = cluster.split("|")
    if len(fields) != FIELDS or fields[0] != OUTBOUND or not fields[1].isdecimal():
        return None
    host, suffix = fields[3], f".svc.{domain}"
    service, dot, namespace = host.removesuffix(suffix).partition(".")
    if not host.endswith(suffix) or not dot or "." in namespace:
        return None
    return Destination(namespace, service, int(fields[1]))
