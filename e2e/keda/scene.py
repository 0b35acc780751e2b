"""A workload that Layby wakes and KEDA puts to sleep, as tests deploy it and look at it.

Must not know what a test is about.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from e2e.stack.envoys import Reply
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS, Stack
from e2e.workloads import manifests

Manifest = dict[str, Any]
KEDA = "keda.sh/v1alpha1"
CONTROLLER = "layby.dev/controller"
WITHIN = 30.0
AT_ONCE = {
    "scaleDown": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
    }
}
"""What the autoscaler is slow at for good reasons, and a test need not wait for."""


class Web:
    """A Deployment with a Service, a route and a TrafficHold."""

    def __init__(self, stack: Stack, namespace: str, name: str = "web") -> None:
        self._stack = stack
        self._api = stack.api
        self.namespace = namespace
        self.name = name
        self.host = f"{name}.{namespace}.example"

    def deploy(self, apply: Callable[..., None], *arguments: str, **spec: Any) -> None:
        """Deploy it, and ask it until all is in place."""
        annotations = spec.pop("annotations", None)
        scaling = {"pollingInterval": "1s", "behavior": AT_ONCE, **spec.pop("scaling", {})}
        hold = {
            "targetRef": {"name": self.name},
            "idle": {"after": "2s"},
            "scaling": scaling,
            **spec,
        }
        target = f"{self.name}.{self.namespace}.svc.cluster.local"
        gateway = self._stack.gateway.address
        apply(
            [
                manifests.deployment(self.name, *arguments, annotations=annotations),
                manifests.service(self.name),
                manifests.gateway(self.name, [self.host], GATEWAY_LABELS, gateway),
                manifests.route(self.name, self.host, target, self.name),
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "metadata": {"name": self.name},
                    "spec": hold,
                },
            ]
        )
        assert until(self._answers, WITHIN), self.hold.get("status")
        # Before an Envoy has reported a request hold servers give KEDA no answer.
        in_place = until(lambda: self._answers() and self.is_scaled_by_keda(), WITHIN)
        assert in_place, self.hold.get("status")

    def get(self, path: str = "/", **how: Any) -> Reply:
        """Ask it through the gateway."""
        return self._stack.gateway.get(self.host, path, **how)

    def _answers(self) -> bool:
        return self.get(patience=5).status == HTTPStatus.OK

    def is_scaled_by_keda(self) -> bool:
        """Whether the controller says so, and KEDA that it works."""
        hold = self.hold
        ready, scaler = condition(hold, "Ready"), condition(hold, "ScalerReady")
        is_true = ready.get("status") == scaler.get("status") == "True"
        return is_true and str(scaler.get("reason")).startswith("KEDA")

    def events(self) -> list[str]:
        """The reasons of the controller's Events in its namespace."""
        found = self._api.items("events.k8s.io/v1", "Event", self.namespace)
        return [each["reason"] for each in found if each["reportingController"] == CONTROLLER]

    @property
    def hold(self) -> Manifest:
        """The TrafficHold."""
        return self._api.get("layby.dev/v1alpha1", "TrafficHold", self.name, self.namespace)

    @property
    def deployment(self) -> Manifest:
        """The Deployment."""
        return self._api.get("apps/v1", "Deployment", self.name, self.namespace)

    @property
    def replicas(self) -> int:
        """How many replicas it is to have."""
        return int(self.deployment["spec"]["replicas"])

    @property
    def generation(self) -> int:
        """How often its spec was changed."""
        return int(self.deployment["metadata"]["generation"])

    def scaled_object(self, name: str) -> Manifest:
        """A ScaledObject."""
        return self._api.get(KEDA, "ScaledObject", name, self.namespace)

    def pods(self) -> list[Manifest]:
        """Its pods."""
        labelled = self._api.items("v1", "Pod", self.namespace)
        return [pod for pod in labelled if pod["metadata"]["labels"].get("app") == self.name]

    def sleep(self) -> None:
        """Wait until it sleeps, and the gateway knows."""
        cluster = f"outbound|80||{self.name}.{self.namespace}.svc.cluster.local"
        assert until(lambda: self.replicas == 0 and not self.pods(), WITHIN)
        assert until(lambda: not self._stack.gateway.endpoints(cluster), WITHIN)


def condition(item: Manifest, kind: str) -> Manifest:
    """What an object says of one of its conditions; nothing if it does not."""
    conditions = item.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == kind), {})


def scale_writes(stack: Stack, namespace: str) -> list[str]:
    """Who wrote scales in a namespace, when and with which result: the API server's words."""
    accounts = (("layby-extproc", "layby-system"), ("keda-operator", "keda"))
    return sorted(
        f"{event['requestReceivedTimestamp']} {account[0]} {event['verb']} {ref['name']} {code}"
        for account in accounts
        for event in stack.control_plane.audited(*account)
        if event["verb"] in {"patch", "update"}
        and (ref := event.get("objectRef", {})).get("subresource") == "scale"
        and ref["namespace"] == namespace
        and (code := event.get("responseStatus", {}).get("code"))
    )


def foreign_scaled_object(name: str, address: str) -> Manifest:
    """Describe a ScaledObject that follows somebody else's scaler as fast as KEDA can."""
    return _scaled_object(
        name, {"type": "external-push", "metadata": {"scalerAddress": address}}, cooldown=1
    )


def cron_scaled_object(name: str) -> Manifest:
    """Describe a ScaledObject that keeps a replica at every hour."""
    hours = {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "1"}
    return _scaled_object(name, {"type": "cron", "metadata": hours}, cooldown=7)


def _scaled_object(name: str, trigger: Manifest, cooldown: int) -> Manifest:
    return {
        "apiVersion": KEDA,
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": 0,
            "maxReplicaCount": 3,
            "pollingInterval": 1,
            "cooldownPeriod": cooldown,
            "triggers": [trigger],
        },
    }
