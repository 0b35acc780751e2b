"""KEDA as the cluster has it: whether it is installed, and its ScaledObjects while it is.

Owns how that is found out, and that no ScaledObject outlives it here. Must not know what follows
from any of it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection

from controller import indexes
from controller.facts import Keda as Presence
from kube.client import Kube
from kube.errors import KubeError, NotFoundError
from kube.informer import Informer
from kube.request import Request
from kube.resource import SCALED_OBJECTS, Selection, group_path

LOOK_SECONDS = 3.0
"""Between two looks whether KEDA is there. What the API server serves is told to every account, but
is not watched; its definition could be, by a right in the whole cluster."""

log = logging.getLogger(__name__)


class Keda:
    """Looks whether there is KEDA, and watches the ScaledObjects for as long as there is.

    Args:
        kube: the API.
        enabled: whether to look for any of it. If not, the role need not allow it either.
        namespaces: those whose ScaledObjects are watched; all if there are none.
    """

    def __init__(
        self, kube: Kube, *, enabled: bool = True, namespaces: Collection[str] = ()
    ) -> None:
        self._kube = kube
        self._enabled = enabled
        self._installed: bool | None = None
        self._failure = ""
        self.looked = asyncio.Event()
        """Set once it is known whether there is KEDA, or that nobody wants to know."""
        if not enabled:
            self.looked.set()
        self.scaled_objects = Informer(
            kube,
            *Selection(SCALED_OBJECTS).within(namespaces),
            trim=indexes.trim_scaled_object,
            indexes={
                "target": indexes.by_target,
                "owner": indexes.by_owner,
                "adopter": indexes.by_adopter,
            },
        )
        self._listeners: list[Callable[[], None]] = []

    def presence_in(self, namespace: str) -> Presence:
        """What is known of KEDA and the ScaledObjects of a namespace."""
        if not self._enabled:
            return Presence.OFF
        if self._installed is False:
            return Presence.ABSENT
        is_listed = self.scaled_objects.synced_in(namespace).is_set()
        return Presence.THERE if is_listed else Presence.UNSEEN

    def trouble_in(self, namespace: str) -> str:
        """Why the ScaledObjects of a namespace are not known, if they are not."""
        return self._failure or str(self.scaled_objects.failure_in(namespace) or "")

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have a listener told when the presence is another somewhere. It must not wait."""
        self._listeners.append(listener)

    async def settled(self) -> None:
        """Wait until it is known which ScaledObjects there are, if there may be any."""
        await self.looked.wait()
        if self._installed:
            await self.scaled_objects.synced.wait()

    async def run(self) -> None:
        """Watch the ScaledObjects while there are any to watch, until cancelled."""
        async with asyncio.TaskGroup() as group:
            watching: asyncio.Task[None] | None = None
            while self._enabled:
                before = self._installed
                await self._look()
                if self._installed is not before:
                    if watching is not None:
                        watching.cancel()
                        await asyncio.wait([watching])
                        # All went with the definition, without a word on any of them.
                        self.scaled_objects.forget()
                    log.info("KEDA is %s", "installed" if self._installed else "not installed")
                    watching = group.create_task(self._watch()) if self._installed else None
                    self.looked.set()
                    self._tell()
                await asyncio.sleep(LOOK_SECONDS)

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.scaled_objects.run(), name=repr(self.scaled_objects))
            for selection in self.scaled_objects.selections:
                listed = self.scaled_objects.synced_in(selection.namespace)
                group.create_task(self._tell_after(listed), name=f"list {selection.path}")

    async def _tell_after(self, listed: asyncio.Event) -> None:
        await listed.wait()
        self._tell()

    async def _look(self) -> None:
        """See what the API server serves. While it does not tell, all is as it was."""
        try:
            self._installed = await self._is_served()
        except KubeError as error:
            if not self._failure:
                log.warning("whether there is KEDA cannot be told: %s", error)
            self._failure = str(error)
        else:
            self._failure = ""

    async def _is_served(self) -> bool:
        try:
            path = group_path(SCALED_OBJECTS.api_version)
            answer = await self._kube.send(Request("get", "GET", path))
        except NotFoundError:
            return False
        # While their definition is being deleted, they can be deleted and read, and no more.
        return any(
            each["name"] == SCALED_OBJECTS.plural and "create" in each["verbs"]
            for each in answer.get("resources") or ()
        )

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
