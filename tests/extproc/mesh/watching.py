"""A watch on an API server in memory, and a hold server that it tells."""

import asyncio
from contextlib import asynccontextmanager

from extproc.app import HoldServer
from extproc.core.probe import Request
from extproc.core.workload import Chance, WorkloadKey
from extproc.mesh.wakes import Wakes
from extproc.mesh.watch import MeshWatch
from kube.resource import ENDPOINT_SLICES, SERVICES, TRAFFIC_HOLDS
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.extproc.fake_waker import FakeWaker
from tests.kube.fake_api import FakeApi

CART = WorkloadKey("shop", "cart", "cart:80")
CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
A_MOMENT = 0.01


class NotingServer(HoldServer):
    """A hold server that remembers how often it was told the set of workloads."""

    def __init__(self) -> None:
        super().__init__(FakeWaker(), lambda _: None, max_pending=100, settle=0.0)
        self.told: list[set[WorkloadKey]] = []

    def replace(self, workloads):
        """Take a new set, and note it."""
        self.told.append(set(workloads))
        super().replace(workloads)


class Rig:
    """A watch on an API server in memory, and a hold server that it tells."""

    def __init__(self, api: FakeApi, namespace: str = "") -> None:
        self.api = api
        self.server = NotingServer()
        self.wakes = Wakes()
        self.cold_starts = Telemetry(None, TraceSettings()).cold_starts
        self.watch = MeshWatch(
            api.kube,
            domain="cluster.local",
            wakes=self.wakes,
            cold_starts=self.cold_starts,
            namespace=namespace,
        )

    def ask(self):
        """Let a request come for the workload behind the cluster."""
        key = self.watch.find(CLUSTER)
        assert key
        return asyncio.create_task(
            self.server.throttler.hold(key, Request(), Chance()), name="request"
        )

    @asynccontextmanager
    async def running(self):
        """Run, and end in order."""
        task = asyncio.create_task(self.watch.run(self.server), name="watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.server.drain(0, hand_over=False)

    @property
    def told(self):
        """The sets of workloads told so far."""
        return self.server.told


@asynccontextmanager
async def watching(*holds, services=(), slices=(), **options):
    """A watch that has been told of some objects to begin with."""
    api = FakeApi()
    for resource, items in (
        (TRAFFIC_HOLDS, holds),
        (SERVICES, services),
        (ENDPOINT_SLICES, slices),
    ):
        for item in items:
            api.put(resource, item)
    rig = Rig(api, **options)
    async with rig.running():
        await rig.watch.synced()
        await asyncio.sleep(A_MOMENT)
        yield rig
