"""What a test asks of a workload that is held. Must not know how the test reaches it."""

from e2e.stack.api import Api
from e2e.stack.envoys import Envoy

PROBE = {"path": "/known", "status": 204}
"""A rule of a TrafficHold: what hold servers answer themselves, so that it shows who knows it."""
_ASKED = 8
"""Requests that meet each worker of an Envoy and each hold server, with all likelihood."""


def is_known(envoy: Envoy, host: str, **how: int) -> bool:
    """Tell whether an Envoy routes a host to a sleeping workload that all hold servers know."""
    return all(204 == envoy.get(host, PROBE["path"], **how).status for _ in range(_ASKED))


def reason(api: Api, namespace: str, name: str = "web", kind: str = "Ready") -> str:
    """Return the reason of one of a TrafficHold's conditions; empty if it has none."""
    hold = api.get("layby.dev/v1alpha1", "TrafficHold", name, namespace)
    conditions = hold.get("status", {}).get("conditions", ())
    return next((each["reason"] for each in conditions if each["type"] == kind), "")
