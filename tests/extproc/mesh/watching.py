"""A watch on an API server in memory, and a hold server that it tells."""

import asyncio
from collections.abc import Collection
from contextlib import asynccontextmanager

from extproc.app import HoldServer
from extproc.core.probe import Request
from extproc.core.workload import Chance, WorkloadKey
from extproc.mesh.wakes import Wakes
from extproc.mesh.watch import MeshWatch
from feed.board import Share
from feed.hold_servers import HoldServers
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

    def __init__(self, api: FakeApi, namespaces: Collection[str] = ()) -> None:
        self.api = api
        self.server = NotingServer()
        self.wakes = Wakes()
        self.cold_starts = Telemetry(None, TraceSettings()).cold_starts
        self.hold_servers = HoldServers(api.kube, "layby-system", "layby-extproc")
        self.watch = MeshWatch(
            api.kube,
            domain="cluster.local",
            wakes=self.wakes,
            cold_starts=self.cold_starts,
            hold_servers=self.hold_servers,
            namespaces=namespaces,
        )

    def lose(self, hold, **share):
        """Have a hold server go that had told of a hold's demand."""
        board, now = self.hold_servers._board, asyncio.get_running_loop().time()
        board.hear("10.0.0.9:9003", {hold: Share(**share)}, 60.0, now, log_streams=1)
        board.expect((), now)

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
