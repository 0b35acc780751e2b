"""One start of a workload, looked at again and again: whether there is any hope.

Owns what is asked of the API server for that, and how often. Must not know who waits.
"""

import asyncio
from datetime import UTC, datetime

from extproc.mesh.diagnosis import diagnose, refused
from extproc.mesh.winner import scaled_at
from kube.client import Kube
from kube.errors import ForbiddenError
from kube.informer import Informer
from kube.resource import EVENTS, PODS, Key, Object, Resource, Selection

WITHOUT_PODS_SECONDS = 4.0
"""Whoever makes pods makes the first within a second; until then their lack says nothing."""
EVENTS_SECONDS = 5.0
"""Between two looks at Events: the API server reads all of a namespace for them."""


class Lookout:
    """Looks at a start that goes on.

    Args:
        kube: the API.
        resource: the kind of the target.
        target: the workload.
        selector: of its pods; empty if the kind does not tell.
    """

    def __init__(self, kube: Kube, resource: Resource, target: Key, selector: str) -> None:
        self._kube = kube
        self._resource = resource
        self._target = target
        self._has_selector = bool(selector)
        self.pods = Informer(kube, Selection(PODS, target.namespace, labels=selector))
        self._look_at_events = _now() + WITHOUT_PODS_SECONDS

    @property
    def items(self) -> list[Object]:
        """Its pods."""
        return list(self.pods.store.snapshot().values())

    async def diagnosed(self) -> str | None:
        """Look; say why it cannot start, if so.

        Raises:
            KubeError: that cannot be told now.
        """
        item = await look(self._kube, self._resource, self._target)
        pods = self.items
        if reason := diagnose(item, pods, datetime.now(UTC)):
            return reason
        if item is None or pods or not self._has_selector or _now() < self._look_at_events:
            return None
        self._look_at_events = _now() + EVENTS_SECONDS
        # What was refused before replicas were asked for is no word on this start.
        return refused(await self._events(item["metadata"]["uid"]), scaled_at(item))

    async def _events(self, uid: str) -> list[Object]:
        selection = Selection(EVENTS, self._target.namespace, fields=f"regarding.uid={uid}")
        try:
            return list((await self._kube.list(selection)).items)
        except ForbiddenError:
            return []


async def look(kube: Kube, resource: Resource, target: Key) -> Object | None:
    """Return the target, unless no role covers its kind: then its pods alone tell."""
    try:
        return await kube.get(resource, target)
    except ForbiddenError:
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
