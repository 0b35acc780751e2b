"""Workloads that TrafficHolds name, scaled from a terminal.

Owns what is scaled and how that is told. Must not know which of them, nor what comes before or
after.
"""

from crds.v1alpha1 import TrafficHold
from kube.client import Kube
from kube.discovery import Discovery
from kube.errors import KubeError
from kube.resource import Key


class NotScalableError(KubeError):
    """A workload's kind cannot be scaled in this cluster."""


class Workloads:
    """The workloads of a cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._discovery = Discovery(kube)

    async def wake(self, hold: TrafficHold) -> str:
        """Scale the workload of a TrafficHold from zero to its wake.replicas; say what was done.

        Raises:
            KubeError: that is refused.
        """
        return await self._scale(hold, hold.spec.wake.replicas)

    async def sleep(self, hold: TrafficHold) -> str:
        """Scale the workload of a TrafficHold to zero; say what was done.

        Raises:
            KubeError: that is refused.
        """
        return await self._scale(hold, 0)

    async def _scale(self, hold: TrafficHold, to: int) -> str:
        ref = hold.spec.target_ref
        found = await self._discovery.find(ref.api_version, ref.kind)
        if found is None or not found.has_scale:
            text = f"{ref.api_version} {ref.kind} cannot be scaled in this cluster"
            raise NotScalableError(404, "NotFound", text)
        target = Key(hold.metadata.namespace, ref.name)
        scale = await self._kube.get_scale(found.resource, target)
        if (scale.desired > 0) == (to > 0):
            return f"{ref.kind} {ref.name} has {scale.desired} replicas already"
        await self._kube.patch_scale(found.resource, target, current=scale.desired, desired=to)
        return f"{ref.kind} {ref.name}: {scale.desired} -> {to} replicas"
