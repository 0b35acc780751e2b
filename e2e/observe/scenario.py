"""A day of a small fleet in a minute: what makes every metric of Layby move, if only once.

Owns the workloads and what happens to them. Must not know who watches.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e import layby
from e2e.stack.kubelet import FAILURE
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS, Stack
from e2e.workloads import manifests

WITHIN = 60.0
CROWD = 12
"""Requests that meet both hold servers, with all likelihood."""
HOLDS = ("web", "full", "late", "broken", "lost", "dry", "passed")
BETWEEN = 2.5
"""Seconds between two that Prometheus is to see apart: it looks every second."""


class Fleet:
    """Some workloads that are held: one is well, the others are not."""

    def __init__(self, stack: Stack, namespace: str) -> None:
        self._stack, self._api = stack, stack.api
        self.namespace = namespace

    def deploy(self) -> None:
        """Deploy them all at zero, with their TrafficHolds."""
        self._held("web", "--delay", "1", idle={"after": "2s"})
        self._held("full", "--delay", "1", idle={"after": "2s"}, hold={"maxPending": 1})
        self._held("late", "--delay", "6", idle={"after": "2s"}, hold={"timeout": "1s"})
        self._held("broken", annotations={FAILURE: "ImagePullBackOff"})
        self._held("dry", replicas=1, idle={"after": "2s"}, dryRun=True)
        self._apply(manifests.hold("lost"))
        self._passed_by()
        for name in ("web", "full", "late"):
            assert until(lambda name=name: self.condition(name, "Ready") == "True", WITHIN), name

    def live(self) -> None:
        """Have it all happen; return when nobody waits any more."""
        for name, expected in (("web", "200"), ("full", "queue-full"), ("late", "timeout")):
            assert until(lambda name=name, e=expected: self._crowd(name)[e], WITHIN), name
            time.sleep(BETWEEN)
            assert until(lambda name=name: self.replicas(name) == 0, WITHIN), name
        for _ in range(2):
            # Longer than idle.after: it would have slept, and they would have waited.
            assert until(lambda: self._crowd("dry") == {"200": CROWD}, WITHIN)
            time.sleep(4)
        assert until(lambda: self._crowd("broken")["cannot-start"], WITHIN)
        assert until(self._survived, WITHIN)
        self._without_rights()

    def condition(self, name: str, kind: str) -> str:
        """Return the status of one of a TrafficHold's conditions; empty if it has none."""
        hold = self._api.get("layby.dev/v1alpha1", "TrafficHold", name, self.namespace)
        conditions = hold.get("status", {}).get("conditions", ())
        return next((each["status"] for each in conditions if each["type"] == kind), "")

    def replicas(self, name: str) -> int:
        """How many replicas a workload is to have."""
        found = self._api.get("apps/v1", "Deployment", name, self.namespace)
        return int(found["spec"]["replicas"])

    def _crowd(self, name: str, during: Callable[[], None] = lambda: None) -> Counter[str]:
        """Ask a workload many times at once; count the answers by status, or what is said."""
        with ThreadPoolExecutor(CROWD) as threads:
            asked = [threads.submit(self._ask, name) for _ in range(CROWD)]
            during()
            return Counter(each.result() for each in asked)

    def _ask(self, name: str) -> str:
        reply = self._stack.gateway.get(f"{name}.{self.namespace}.example", patience=30)
        return reply.headers.get("x-layby-reason") or str(reply.status)

    def _survived(self) -> bool:
        """Kill a hold server while requests wait there: they go on at another one."""
        assert until(lambda: self.replicas("web") == 0, WITHIN)

        def kill() -> None:
            time.sleep(0.5)
            layby.kill_one("extproc", signal.SIGKILL)

        return self._crowd("web", kill) == {"200": CROWD}

    def _passed_by(self) -> None:
        """Have a rule of the user's own stand in the way of holding a workload's requests."""
        rule = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "passed"},
            "spec": {
                "host": f"passed.{self.namespace}.svc.cluster.local",
                "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}},
            },
        }
        self._apply(rule)
        self._held("passed")
        assert until(lambda: self.condition("passed", "Attached") == "False", WITHIN)

    def _without_rights(self) -> None:
        """Take the controller's rights away for a moment, in which it has something to write."""
        version, kind = "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"
        binding = {**self._api.get(version, kind, "layby-controller")}
        self._api.delete([binding])
        try:
            self._apply(manifests.hold("lost", idle={"after": "1h"}, dryRun=True))
            time.sleep(BETWEEN)
        finally:
            del binding["metadata"]["resourceVersion"]
            del binding["metadata"]["uid"]
            binding["metadata"].pop("managedFields", None)
            self._api.create(binding)

    def _held(self, name: str, *arguments: str, **spec: Any) -> None:
        fields = {each: spec.pop(each) for each in ("annotations", "replicas") if each in spec}
        deployed = manifests.deployment(name, *arguments, **fields)
        [container] = deployed["spec"]["template"]["spec"]["containers"]
        container["resources"] = {"requests": {"cpu": "500m"}}
        host, gateway = f"{name}.{self.namespace}.example", self._stack.gateway.address
        target = f"{name}.{self.namespace}.svc.cluster.local"
        self._apply(
            deployed,
            manifests.service(name),
            manifests.gateway(name, [host], GATEWAY_LABELS, gateway),
            manifests.route(name, host, target, name),
            manifests.hold(name, **spec),
        )

    def _apply(self, *given: dict[str, Any]) -> None:
        self._api.apply(list(given), self.namespace)
