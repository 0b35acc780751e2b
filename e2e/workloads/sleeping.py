"""A workload named `web` that sleeps behind a TrafficHold, and crowds of requests for it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bench.client import Crowd
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS, Stack
from e2e.workloads import manifests

WITHIN = 20.0
HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web"},
}


class Sleeping:
    """The workload, as one test has it.

    Args:
        stack: where it is.
        apply: applies manifests in its namespace.
        namespace: that of the test.
        host: by which the gateway knows it.
    """

    def __init__(
        self, stack: Stack, apply: Callable[[Any], None], namespace: str, host: str
    ) -> None:
        self._stack, self._apply = stack, apply
        self._namespace, self._host = namespace, host

    def __call__(
        self,
        *arguments: str,
        spec: Mapping[str, Any] | None = None,
        ready: bool = True,
        **fields: Any,
    ) -> None:
        """Deploy it at zero with a TrafficHold, reached through the gateway."""
        service = f"web.{self._namespace}.svc.cluster.local"
        address = self._stack.gateway.address
        self._apply(
            [
                manifests.deployment("web", *arguments, **fields),
                manifests.service("web"),
                manifests.gateway("web", [self._host], GATEWAY_LABELS, address),
                manifests.route("web", self._host, service, "web"),
                {**HOLD, "spec": {"targetRef": {"name": "web"}, **(spec or {})}},
            ]
        )
        assert until(lambda: is_ready(self._stack, self._namespace), WITHIN)
        # The first request proves that the route is there; then back to zero.
        if ready:
            gateway = self._stack.gateway
            assert until(lambda: gateway.get(self._host, patience=5).status == 200, WITHIN)
            self.to_zero()

    def to_zero(self) -> None:
        """Scale it to zero, as a user does, and wait until the gateway has no endpoint for it."""
        stack, namespace = self._stack, self._namespace
        stack.api.scale("web", 0, namespace)
        cluster = f"outbound|80||web.{namespace}.svc.cluster.local"
        assert until(lambda: not stack.api.items("v1", "Pod", namespace), WITHIN)
        assert until(lambda: not stack.gateway.endpoints(cluster), WITHIN)

    def replicas_written(self) -> int:
        """How often anybody has changed the Deployment's spec since it was made."""
        found = self._stack.api.get("apps/v1", "Deployment", "web", self._namespace)
        return int(found["metadata"]["generation"])

    @asynccontextmanager
    async def crowd(self, count: int) -> AsyncIterator[Crowd]:
        """`count` requests for it under way through the gateway, all of which were parked."""
        before = self._asked()
        crowd = Crowd()
        address = self._stack.gateway.address
        await crowd.send(80, count, address=address, authority=self._host)
        try:
            async with asyncio.timeout(WITHIN):
                while await asyncio.to_thread(self._asked) < before + count:
                    await asyncio.sleep(0.05)
            yield crowd
        finally:
            crowd.close()

    def _asked(self) -> int:
        """How many requests the gateway's Envoy has ever taken to hold servers."""
        return sum(self._stack.gateway.stats("ext_proc.*streams_started").values())


def is_ready(stack: Stack, namespace: str, name: str = "web") -> bool:
    """Whether the controller says that the hold works."""
    hold = stack.api.get("layby.dev/v1alpha1", "TrafficHold", name, namespace)
    conditions = hold.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def statuses(crowd: Crowd) -> Counter[int]:
    """Count the statuses of a crowd's answers."""
    async with asyncio.timeout(60):
        return await crowd.statuses()
