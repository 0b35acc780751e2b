"""KEDA as the cluster has it: whether it is installed, and its ScaledObjects while it is.

Owns the watch of its definition, and that no ScaledObject outlives it here. Must not know what
follows from any of it.
"""

import asyncio
import logging
from collections.abc import Callable

from controller import indexes
from controller.facts import Keda as Presence
from kube.client import Kube
from kube.informer import Informer
from kube.resource import SCALED_OBJECTS, Resource, Selection

DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
NAME = f"{SCALED_OBJECTS.plural}.{SCALED_OBJECTS.group}"

log = logging.getLogger(__name__)


class Keda:
    """Watches KEDA's definition, and the ScaledObjects for as long as it is there."""

    def __init__(self, kube: Kube) -> None:
        definition = Selection(DEFINITIONS, fields=f"metadata.name={NAME}")
        self.definition = Informer(kube, definition, trim=indexes.trim_definition)
        self.scaled_objects = Informer(
            kube,
            Selection(SCALED_OBJECTS),
            trim=indexes.trim_scaled_object,
            indexes={
                "target": indexes.by_target,
                "owner": indexes.by_owner,
                "adopter": indexes.by_adopter,
            },
        )
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.definition.subscribe(lambda _: self._changed.set())

    @property
    def presence(self) -> Presence:
        """What is known of KEDA."""
        if not self._installation:
            return Presence.ABSENT
        return Presence.THERE if self.scaled_objects.synced.is_set() else Presence.UNSEEN

    @property
    def trouble(self) -> str:
        """Why the ScaledObjects are not known, if they are not."""
        return str(self.scaled_objects.failure or "")

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have a listener told when the presence is another. It must not wait."""
        self._listeners.append(listener)

    async def settled(self) -> None:
        """Wait until it is known which ScaledObjects there are, if there may be any."""
        await self.definition.synced.wait()
        if self.presence is Presence.UNSEEN:
            await self.scaled_objects.synced.wait()

    async def run(self) -> None:
        """Watch the ScaledObjects while there are any to watch, until cancelled.

        The definition's own informer is for the caller to run.
        """
        seen = ""
        async with asyncio.TaskGroup() as group:
            watching: asyncio.Task[None] | None = None
            while True:
                if self._installation != seen:
                    if watching is not None:
                        watching.cancel()
                        await asyncio.wait([watching])
                        self._forget()
                    seen = self._installation
                    log.info("KEDA is %s", "installed" if seen else "not installed any more")
                    watching = group.create_task(self._watch(), name="KEDA") if seen else None
                    self._tell()
                await self._changed.wait()
                self._changed.clear()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.scaled_objects.run(), name=repr(self.scaled_objects))
            await self.scaled_objects.synced.wait()
            self._tell()

    def _forget(self) -> None:
        """What there was has gone with its definition, without a word on any of it."""
        self.scaled_objects.store.replace({})
        self.scaled_objects.synced.clear()
        self.scaled_objects.failure = None

    @property
    def _installation(self) -> str:
        """The uid of the definition, if it is in force."""
        for item in self.definition.store.snapshot().values():
            if item["served"]:
                return str(item["metadata"]["uid"])
        return ""

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
