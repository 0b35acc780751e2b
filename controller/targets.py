"""The workloads that TrafficHolds name: found whatever their kind, with all that is known of them.

Owns what it takes to ask the API server for, beyond what is watched. Must not know what is done
with a workload.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from controller.facts import Missing, Target
from controller.informers import Informers
from controller.workload import KindKey, KindRef, TargetKey, Workload
from controller.world import World
from crds.condition import Accepted
from crds.v1alpha1.target import TargetRef
from kube.client import Kube
from kube.discovery import Discovery
from kube.errors import ForbiddenError, KubeError, NotFoundError, UnreachableError
from kube.informer import Informer
from kube.resource import Key, Resource

SYNC_SECONDS = 10.0
"""How long work on one TrafficHold waits for the first list of its target's kind."""
_LOOK_SECONDS = 0.1
UNTOLD_SECONDS = 30.0
"""When to look again for what may be put right without an event: a definition, a role."""

log = logging.getLogger(__name__)


class Targets:
    """Finds workloads."""

    def __init__(self, kube: Kube, informers: Informers, world: World) -> None:
        self._kube = kube
        self._informers = informers
        self._world = world
        self._discovery = Discovery(kube)

    async def find(self, namespace: str, ref: TargetRef, *, held: bool = False) -> Target:
        """Return what a reference means, or why it means nothing.

        Args:
            namespace: that of the TrafficHold.
            ref: the reference.
            held: whether its requests are held already. What is asleep is then not let go for want
                of a right, which may be back in a moment.

        Raises:
            KubeError: that cannot be told now.
        """
        found = await self._discovery.find(ref.api_version, ref.kind)
        if found is None:
            text = f"the API server knows no kind {ref.kind} in {ref.api_version}"
            return Missing(Accepted.TARGET_NOT_FOUND, text, UNTOLD_SECONDS)
        if not found.has_scale or not found.resource.namespaced:
            text = f"a {ref.kind} has no scale subresource, so that it cannot be scaled"
            return Missing(Accepted.TARGET_NOT_SCALABLE, text, UNTOLD_SECONDS)
        try:
            await self._listed(found.resource, namespace)
        except (ForbiddenError, NotFoundError) as error:
            if held:
                raise
            is_there = isinstance(error, ForbiddenError)
            reason = Accepted.TARGET_NOT_SCALABLE if is_there else Accepted.TARGET_NOT_FOUND
            return Missing(reason, error.message, UNTOLD_SECONDS)
        key = TargetKey(found.resource.group, ref.kind, namespace, ref.name)
        workload = self._world.workload(key)
        if workload is None:
            self._world.learned.pop(key, None)
            text = f"there is no {ref.kind} {ref.name} in namespace {namespace}"
            return Missing(Accepted.TARGET_NOT_FOUND, text)
        return await self._completed(found.resource, workload, held=held)

    async def resource(self, ref: TargetRef) -> Resource | None:
        """Return the resource of a target, which must have been found before."""
        found = await self._discovery.find(ref.api_version, ref.kind)
        return found.resource if found else None

    async def prepare(self, kinds: Iterable[KindRef]) -> frozenset[KindKey]:
        """Watch kinds of workloads; return those of which it cannot be told what there is."""
        unseen = set()
        for ref in sorted(set(kinds)):
            try:
                found = await self._discovery.find(*ref)
                if found is None or await self._all_listed(found.resource):
                    continue
            except KubeError as error:
                log.warning("%s %s cannot be watched yet: %s", *ref, error)
            unseen.add(KindKey(ref.api_version.rpartition("/")[0], ref.kind))
        return frozenset(unseen)

    async def _all_listed(self, resource: Resource) -> bool:
        """Watch a kind; tell whether it is known what there is of it, wherever that is watched."""
        known = True
        for selection in self._informers.follow(resource).selections:
            try:
                await self._listed(resource, selection.namespace)
            except NotFoundError as error:
                log.info("%s", error)
            except KubeError as error:
                # The other namespaces are waited for all the same.
                log.warning("%s cannot be watched yet: %s", selection.path, error)
                known = False
        return known

    async def _listed(self, resource: Resource, namespace: str) -> None:
        """Watch a kind, and wait until it is known what there is of it in a namespace.

        Raises:
            KubeError: that cannot be told.
        """
        informer = self._informers.follow(resource)
        if await _synced(informer, namespace):
            return
        name = f"{resource.plural}.{resource.group}"
        match informer.failure_in(namespace):
            case ForbiddenError() as failure:
                text = f"Layby may not list {name}: add get, list and watch to its role"
                raise ForbiddenError(failure.status, failure.reason, text) from failure
            case NotFoundError() as failure:
                self._discovery.forget(resource.api_version)
                text = f"{name} are not served any more"
                raise NotFoundError(failure.status, failure.reason, text) from failure
            case failure:
                raise failure or UnreachableError(0, "NotSynced", f"{name} are not listed yet")

    async def _completed(self, resource: Resource, workload: Workload, *, held: bool) -> Target:
        """Add what only the scale tells: a kind of one's own may keep its replicas anywhere."""
        if workload.replicas is not None and workload.pod_labels is not None:
            return workload
        try:
            key = Key(workload.key.namespace, workload.key.name)
            scale = await self._kube.get_scale(resource, key)
        except NotFoundError:
            return Missing(Accepted.TARGET_NOT_FOUND, f"{workload.key} is not there any more")
        except ForbiddenError:
            if held:
                raise
            text = f"Layby may not read the scale of {workload.key}: add get and patch to its role"
            return Missing(Accepted.TARGET_NOT_SCALABLE, text, UNTOLD_SECONDS)
        labels = _labels(scale.selector)
        if workload.pod_labels is None:
            self._world.learned[workload.key] = labels
        return replace(
            workload,
            replicas=scale.desired,
            pod_labels=workload.pod_labels if workload.pod_labels is not None else labels,
        )


async def _synced(informer: Informer, namespace: str) -> bool:
    """Wait for the first list, but not for one that is refused."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SYNC_SECONDS
    synced = informer.synced_in(namespace)
    while not synced.is_set():
        if informer.failure_in(namespace) is not None or loop.time() > until:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await synced.wait()
    return True


def _labels(selector: str) -> Mapping[str, str]:
    """Return the labels that a selector asks for by equality; the rest says nothing certain."""
    pairs = (part.partition("=") for part in selector.split(","))
    return {
        key.strip(): value.lstrip("=").strip()
        for key, equal, value in pairs
        if equal and not key.rstrip().endswith("!") and " in " not in f" {key} "
    }
