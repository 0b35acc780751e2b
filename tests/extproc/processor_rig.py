"""A hold server for one workload on a real port, and an Envoy that asks it."""

import asyncio
from contextlib import asynccontextmanager

from extproc.core.hold import HoldQueue
from extproc.core.probe import ProbeRule
from extproc.core.settle import Settle
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.processor import Processor
from extproc.server import Server
from extproc.throttler import Throttler
from tests.extproc.fake_envoy import CLUSTER, connected
from tests.extproc.fake_waker import FakeWaker

CART = WorkloadKey("shop", "cart")


class Rig:
    """A hold server for `cart`, and an Envoy that asks it."""

    def __init__(self, settle: float = 0.0) -> None:
        self.waker = FakeWaker()
        settling = Settle(first=settle, ceiling=1000.0, last_chance=500.0)
        self.queue = HoldQueue(max_pending=2000, settle=settling)
        self.throttler = Throttler(self.queue, self.waker)
        self.asked: list[WorkloadKey] = []
        self.known = asyncio.Event()
        self.known.set()
        self.processor = Processor(
            self.throttler, {CLUSTER: CART}.get, self.asked.append, self.known
        )
        self.manage()

    def manage(self, *probes: ProbeRule, **hold) -> None:
        """Declare the hold for `cart`."""
        self.throttler.replace({CART: Workload(CART, Hold(**{"timeout": 30.0, **hold}), probes)})

    async def serve(self) -> Server:
        server = Server([self.processor.handler()])
        self.port = server.listen("127.0.0.1:0")
        await server.start()
        return server


@asynccontextmanager
async def serving(**options):
    """A rig that serves, and in the end holds nothing."""
    rig = Rig(**options)
    server = await rig.serve()
    async with connected(rig.port) as envoy:
        yield rig, envoy
        rig.throttler.drain()
    await server.stop(1)
    assert rig.throttler._waiters == {}
    assert rig.throttler.pending() == 0
