"""From what the API server says to what the hold server knows: workloads, and ready endpoints.

Every event means "look again"; the directory is built whole. Must not know who waits.
"""

import asyncio
from collections.abc import Collection

from extproc.app import HoldServer
from extproc.core.workload import WorkloadKey
from extproc.mesh.directory import Directory, build, keeping
from extproc.mesh.endpoints import ready_endpoints
from extproc.mesh.reading import Reader, says_the_same, trim
from extproc.mesh.wakes import Wakes
from feed.board import HoldName
from feed.hold_servers import HoldServers
from feed.wake import WakeOutcome
from kube.client import Kube
from kube.informer import Informer
from kube.resource import (
    ENDPOINT_SLICES,
    SERVICE_LABEL,
    SERVICES,
    TRAFFIC_HOLDS,
    Key,
    Object,
    Selection,
)
from kube.store import Change
from telemetry.cold_start import Mark
from telemetry.cold_starts import ColdStarts

BY_SERVICE = "service"
LINGER_SECONDS = 1.0
"""Between two looks whether anybody still waits for a hold that is gone."""


class MeshWatch:
    """Keeps a hold server told.

    Args:
        kube: the API.
        domain: the cluster's DNS domain.
        namespaces: those to watch; all if there are none.
        wakes: which go on, and end with a ready endpoint.
        cold_starts: told of that endpoint.
        hold_servers: forget what they told of a hold that is gone.
    """

    def __init__(  # noqa: PLR0913 - parts, put together
        self,
        kube: Kube,
        *,
        domain: str,
        wakes: Wakes,
        cold_starts: ColdStarts,
        hold_servers: HoldServers,
        namespaces: Collection[str] = (),
    ) -> None:
        self._hold_servers = hold_servers
        self._wakes = wakes
        self._cold_starts = cold_starts
        self.directory = Directory(domain)
        self._reader = Reader()
        holds, services = Selection(TRAFFIC_HOLDS), Selection(SERVICES)
        self._holds = Informer(kube, *holds.within(namespaces), trim=trim, optional=namespaces)
        self._services = Informer(
            kube, *services.within(namespaces), trim=_service, optional=namespaces
        )
        self._slices = Informer(
            kube,
            *Selection(ENDPOINT_SLICES, labels=SERVICE_LABEL).within(namespaces),
            trim=_slice,
            indexes={BY_SERVICE: lambda item: [_service_of(item)]},
            optional=namespaces,
        )
        self._informers = (self._holds, self._services, self._slices)
        self._hold_server: HoldServer | None = None
        self._stale = False
        self._known = asyncio.Event()
        self._again: asyncio.TimerHandle | None = None

    def find(self, cluster: str) -> WorkloadKey | None:
        """The workload behind an Envoy cluster, if it is held."""
        return self.directory.find(cluster)

    async def synced(self) -> None:
        """Wait until everything has been listed once, and the hold server told."""
        await self._known.wait()

    async def run(self, hold_server: HoldServer) -> None:
        """Keep `hold_server` told until cancelled."""
        self._hold_server = hold_server
        self._holds.subscribe(self._rebuild_soon)
        self._services.subscribe(self._rebuild_soon)
        self._slices.subscribe(self._look_at_slice)
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run(), name=repr(informer))
            for informer in self._informers:
                await informer.synced.wait()
            # Not by an event: there may be nothing at all, and that has to be known too.
            self._rebuild()
            self._known.set()

    def _rebuild_soon(self, change: Change) -> None:
        """Once for all that one turn of the loop brings: a list is thousands of changes."""
        if not self._stale and not says_the_same(change.old, change.new):
            self._stale = True
            asyncio.get_running_loop().call_soon(self._rebuild)

    def _rebuild(self) -> None:
        self._stale = False
        # Until all is listed, requests wait: a hold whose Service has yet to come is no hold.
        if self._hold_server is None or not all(i.synced.is_set() for i in self._informers):
            return
        holds = self._reader.read(self._holds.store.snapshot())
        services = self._services.store.snapshot()
        new = build(holds, services, self.directory.domain)
        throttler = self._hold_server.throttler
        lingering = [key for key in self.directory.workloads if throttler.pending(key)]
        for gone in self.directory.holds.keys() - new.holds.keys():
            self._wakes.forget(HoldName(*gone))
        # Whoever already waits for a hold that is deleted gets the workload all the same.
        old, self.directory = self.directory, keeping(new, self.directory, lingering)
        for name in old.known - self.directory.known:
            self._hold_servers.forget(HoldName(*name))
        if self._again:
            self._again.cancel()
            self._again = None
        if self.directory is not new:
            self._again = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._rebuild)
        self._hold_server.replace(self.directory.workloads)
        for service in self.directory.services_unlike(old):
            self._count(service)

    def _look_at_slice(self, change: Change) -> None:
        for item in (change.old, change.new):
            if item:
                self._count(_service_of(item))

    def _count(self, service: Key) -> None:
        if self._hold_server is None:
            return
        slices = None
        for where in self.directory.of_service(service):
            slices = slices or self._slices.store.objects_by(BY_SERVICE, service)
            ready = ready_endpoints(slices, self.directory.port_names[where])
            key = self.directory.keys[where]
            if ready:
                self._cold_starts.mark((key.namespace, key.name), Mark.SEEN)
            self._hold_server.throttler.endpoints_changed(key, ready)
            if ready:
                self._wakes.ended(HoldName(key.namespace, key.name), WakeOutcome.SUCCEEDED)


def _service_of(item: Object) -> Key:
    metadata = item["metadata"]
    return Key(metadata.get("namespace", ""), (metadata.get("labels") or {}).get(SERVICE_LABEL, ""))


def _service(item: Object) -> Object:
    ports = [
        {k: port[k] for k in ("name", "port", "protocol") if k in port}
        for port in item["spec"].get("ports") or ()
    ]
    return {**_identity(item), "spec": {"ports": ports}}


def _slice(item: Object) -> Object:
    endpoints = [
        {"addresses": e.get("addresses"), "conditions": e.get("conditions")}
        for e in item.get("endpoints") or ()
    ]
    return {**_identity(item), "ports": item.get("ports"), "endpoints": endpoints}


def _identity(item: Object) -> dict[str, object]:
    metadata = item["metadata"]
    wanted = ("name", "namespace", "uid", "resourceVersion")
    kept = {name: metadata[name] for name in wanted if name in metadata}
    label = (metadata.get("labels") or {}).get(SERVICE_LABEL)
    return {"metadata": {**kept, "labels": {SERVICE_LABEL: label} if label else {}}}
