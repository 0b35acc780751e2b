"""A controller on a cluster in memory, which leads at once."""

import asyncio
from collections.abc import Callable

import pytest

from controller.app import Controller
from controller.demand import Demand
from controller.settings import Settings
from kube.resource import Key
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.controller import objects
from tests.controller.cluster import Cluster
from tests.controller.objects import asleep


class FakeDemand:
    """What the hold servers know, as the test says."""

    def __init__(self) -> None:
        self.demands: dict[Key, Demand] = {}
        self._since: dict[Key, float] = {}
        self.watched: set[Key] = set()
        self.refusal = ""
        self._listeners: list[Callable[[Key], None]] = []

    def demand(self, key: Key) -> Demand | None:
        """Return the demand, which ages."""
        demand = self.demands.get(key)
        if demand is None:
            return None
        age = asyncio.get_running_loop().time() - self._since[key]
        return Demand(
            demand.pending,
            demand.in_flight,
            demand.quiet + age,
            demand.complete,
            demand.requested,
            demand.last_wake,
            demand.requests,
            demand.sheds,
            demand.reported,
            demand.unbroken + age,
            demand.settled + age,
        )

    def watch(self, key: Key, *, on: bool) -> None:
        """Tell of each request, or no longer; it is all the same here."""
        (self.watched.add if on else self.watched.discard)(key)

    def forget(self, key: Key) -> None:
        """Forget a TrafficHold that is gone."""
        self.watched.discard(key)

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Tell a listener."""
        self._listeners.append(listener)

    def say(self, name: str, *, namespace: str = "shop", **demand) -> None:
        """Have another demand from now on, and tell."""
        key = Key(namespace, name)
        self.demands[key] = asleep(**{"quiet": 0.0, **demand})
        self._since[key] = asyncio.get_running_loop().time()
        for listener in self._listeners:
            listener(key)


class Running:
    """A controller that runs."""

    def __init__(self, cluster: Cluster, **settings) -> None:
        self.cluster = cluster
        self.demand = FakeDemand()
        self.reports = Telemetry(None, TraceSettings())
        self.controller = Controller(
            cluster.kube,
            # Renewing a lease every other second is what an hour of these tests would consist of.
            Settings(**{"identity": "test", "lease_seconds": 300, "stop_seconds": 0, **settings}),
            self.demand,
            self.reports,
        )
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        """Whether it acts."""
        return self.controller.term is not None

    def start(self) -> None:
        """Begin."""
        self.task = asyncio.create_task(self.controller.run(self.stopping))

    async def settle(self, seconds: float = 1.0) -> None:
        """Let everything happen that is due within some time of the loop's."""
        assert self.task
        await asyncio.sleep(seconds)
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        """End, and see that it ends well."""
        self.stopping.set()
        if self.task:
            await self.task


@pytest.fixture
def cluster():
    """A cluster with the namespaces that there always are."""
    cluster = Cluster()
    cluster.have(*map(objects.namespace, ("shop", "istio-system", "layby-system", "kube-system")))
    return cluster


@pytest.fixture
async def running(cluster):
    """A controller that has not begun yet."""
    running = Running(cluster)
    yield running
    await running.stop()
