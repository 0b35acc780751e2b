"""The way out: all that is held woken, waited for, and held no longer.

Owns the order of it. Must not know what undoing a TrafficHold takes: the controller does that, so
it has to be there still, if it ever was.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

from cli.endpoints import ready_endpoints
from cli.workloads import Workloads
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from istio.envoyfilter import log_name
from kube.client import Kube
from kube.errors import ForbiddenError, KubeError, NotFoundError
from kube.resource import (
    ENVOY_FILTERS,
    HOLD_POLICIES,
    TRAFFIC_HOLDS,
    Key,
    Object,
    Resource,
    Selection,
    key_of,
)

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 1.0
"""Envoys hear of an endpoint later than Layby does. And what a status says just after its workload
was scaled may be of the time before."""
ASLEEP = frozenset({"Zero", "Waking"})
UNKNOWN = "the controller has not looked at it; is it running?"


class Leaving:
    """The steps, each of which may be taken again."""

    def __init__(
        self, kube: Kube, say: Callable[[str], object], namespaces: Collection[str] = ()
    ) -> None:
        """`say` tells a person what is done: in some namespaces and nowhere else, or in all."""
        self._kube = kube
        self._namespaces = namespaces
        self._workloads = Workloads(kube)
        self._say = say
        self.passed_over: set[str] = set()
        """Those of the namespaces that cannot be left: they are forbidden, or gone."""

    async def wake(self) -> int:
        """Wake what sleeps; return how many cannot be woken.

        Raises:
            KubeError: TrafficHolds cannot be listed.
        """
        failed = 0
        for item in await self._list(TRAFFIC_HOLDS):
            if not item["spec"].get("dryRun"):
                failed += not await self._wake(item)
        return failed

    async def wait(self, seconds: float) -> list[str]:
        """Wait until all that is held is up; return what is not by then, and why."""
        deadline = _now() + seconds
        await asyncio.sleep(SETTLE_SECONDS)
        while asleep := await self._asleep():
            if _now() > deadline:
                return [told(each) for each in asleep]
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        return []

    async def delete(self, seconds: float) -> list[str]:
        """Delete policies and TrafficHolds; return what is there still after some time, and why."""
        deadline = _now() + seconds
        # A policy would make its TrafficHolds again, unless only some namespaces are watched.
        await self._delete_all(HOLD_POLICIES)
        self._say(f"{len(await self._delete_all(TRAFFIC_HOLDS))} TrafficHolds deleted")
        while left := await self._delete_all(TRAFFIC_HOLDS):
            if _now() > deadline:
                return [told(each) for each in left]
            await asyncio.sleep(LOOK_SECONDS)
        return []

    async def detach(self, gate: Key) -> None:
        """Take the gate out of the mesh. Without TrafficHolds the controller leaves it so."""
        for name in (gate.name, log_name(gate.name)):
            with suppress(NotFoundError):
                await self._kube.delete(ENVOY_FILTERS, gate._replace(name=name))

    async def _wake(self, item: Object) -> bool:
        namespace, name = key_of(item)
        try:
            hold = TrafficHold.parse(item, unknown="ignore")
            self._say(f"{namespace}/{name}: {await self._workloads.wake(hold)}")
        except (KubeError, InvalidResourceError) as error:
            self._say(f"{namespace}/{name}: {error}")
            return False
        return True

    async def _asleep(self) -> list[Object]:
        return [each for each in await self._list(TRAFFIC_HOLDS) if not await self._is_up(each)]

    async def _is_up(self, hold: Object) -> bool:
        """Whether a workload has endpoints, or is none of Layby's."""
        if hold["spec"].get("dryRun"):
            return True
        status = hold.get("status") or {}
        if "phase" in status or "conditions" in status:
            return status.get("phase") not in ASLEEP
        # No controller says how it is. Hold servers alone hold the Services that are listed.
        namespace = key_of(hold).namespace
        services = [Key(namespace, each["name"]) for each in hold["spec"].get("services") or ()]
        for service in services:
            if await ready_endpoints(self._kube, service):
                return True
        return not services

    async def _list(self, resource: Resource) -> list[Object]:
        found: list[Object] = []
        for selection in Selection(resource).within(self._namespaces):
            if selection.namespace in self.passed_over:
                continue
            try:
                found.extend((await self._kube.list(selection)).items)
            except NotFoundError:
                continue  # the definition has gone, and they with it
            except ForbiddenError as error:
                self._pass_over(selection.namespace, error)
        return found

    def _pass_over(self, namespace: str, error: ForbiddenError) -> None:
        """Go on with the other namespaces, if it is not all of them that are forbidden."""
        if not self._namespaces:
            raise error
        self._say(
            f"{namespace}: passed over: {error.message or error.reason}: if it is gone, take it "
            "out of the namespaces; if not, see to your rights there and try again"
        )
        self.passed_over.add(namespace)

    async def _delete_all(self, resource: Resource) -> list[Object]:
        """Have all objects of a resource deleted; return those that were there."""
        found = await self._list(resource)
        for item in found:
            if "deletionTimestamp" not in item["metadata"]:
                try:
                    await self._kube.delete(resource, key_of(item))
                except NotFoundError:
                    continue
                except ForbiddenError as error:
                    self._pass_over(key_of(item).namespace, error)
        return [item for item in found if key_of(item).namespace not in self.passed_over]


def told(hold: Object) -> str:
    """Return what the controller says of a TrafficHold."""
    conditions = hold.get("status", {}).get("conditions", ())
    why = [each.get("message", "") for each in conditions if each["type"] == "Ready"]
    namespace, name = key_of(hold)
    return f"{namespace}/{name}: {(why or [UNKNOWN])[0]}"


def _now() -> float:
    return asyncio.get_running_loop().time()
