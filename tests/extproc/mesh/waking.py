"""A waker, a throttler that asks it, and an API server with a sleeping Deployment."""

import asyncio
from contextlib import asynccontextmanager

from extproc.core.hold import HoldQueue
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, WorkloadKey
from extproc.mesh.directory import Directory, build
from extproc.mesh.waker import LAST_RETRY_SECONDS, LOOK_AGAIN_SECONDS, ScaleWaker
from extproc.mesh.wakes import Wakes
from extproc.throttler import Throttler
from kube.discovery import Discovery
from kube.resource import DEPLOYMENTS, Key
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.extproc.mesh.objects import (
    deployment,
    read_hold,
    service,
)
from tests.extproc.mesh.scaled_api import ScaledApi

CART = WorkloadKey("shop", "cart", "cart:80")
SERVICES = {
    Key("shop", "cart"): service(ports=[("http", 80), ("admin", 81)]),
    Key("shop", "till"): service("till"),
}
A_MOMENT = 0.01
AGES_AGO = "2020-01-01T00:00:00Z"


class Rig:
    """A waker, a throttler that asks it, and an API server with a sleeping Deployment."""

    def __init__(self, *holds) -> None:
        self.api = ScaledApi()
        self.api.put(DEPLOYMENTS, deployment())
        self.directory: Directory
        self.wakes = Wakes()
        self.reports = Telemetry(None, TraceSettings())
        self.waker = ScaleWaker(
            self.api.kube,
            Discovery(self.api.kube),
            lambda: self.directory,
            self.wakes,
            self.reports.cold_starts,
        )
        queue = HoldQueue(max_pending=100, settle=Settle(first=0.0))
        self.throttler = Throttler(queue, self.waker, self.reports.holds)
        self.hold(*holds or [read_hold()])

    def hold(self, *holds) -> None:
        """Have these holds and no others."""
        self.directory = build(holds, SERVICES, "cluster.local")
        self.throttler.replace(self.directory.workloads)

    def ask(self, key=CART):
        """Let a request come."""
        return asyncio.create_task(
            self.throttler.hold(key, Request(), Chance()), name=f"request for {key}"
        )

    def asked(self, verb, ending=""):
        """How many requests of a verb the API server had."""
        return sum(r.verb == verb and r.path.endswith(ending) for r in self.api.asked)


@asynccontextmanager
async def waking(*holds):
    """A waker whose tasks have all ended by themselves when nobody waits any more."""
    rig = Rig(*holds)
    async with asyncio.TaskGroup() as tasks:
        rig.waker.attach(rig.throttler, tasks)
        yield rig
        rig.throttler.drain()
        async with asyncio.timeout(LAST_RETRY_SECONDS + LOOK_AGAIN_SECONDS):
            while rig.waker.tasks:
                await asyncio.wait(list(rig.waker.tasks))
                await asyncio.sleep(0)
    assert all(watch.closed for watch in rig.api.watches)
