"""One term of the leader: the queues, what works on them, and in which order they begin and end.

Owns what must not outlive a term: queues, memories, overlays. Must not know who is elected.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from controller.demand import DemandSource
from controller.effects import Effects
from controller.gate import GateKeeper, Proxies
from controller.indexes import kind_of_target
from controller.informers import Informers
from controller.policy_reconciler import PolicyReconciler
from controller.reconciler import HoldReconciler, Sources
from controller.scaled_object import Scaler
from controller.scaled_objects import ScaledObjects
from controller.targets import Targets
from controller.world import World
from kube.client import Kube
from kube.errors import KubeError
from kube.events import Recorder
from kube.queue import Queue
from kube.resource import Key, Object
from telemetry.control import ControlRecorder

TOGETHER_SECONDS = 0.2
"""Changes come in bursts, and one look is enough for all of one."""
FIRST_LOOK_SECONDS = 5.0
"""How long the first look at the proxies, and the list of the ScaledObjects, may keep all else
waiting. Without their results the statuses of all TrafficHolds would be written twice."""
_ALL = "all"

K = TypeVar("K", bound=Hashable)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a term works with, and does not own."""

    kube: Kube
    informers: Informers
    world: World
    recorder: Recorder
    demand: DemandSource
    gate: Sequence[Object]
    istiod: Proxies | None
    scaler: Scaler
    protected: frozenset[str]
    workers: int
    stop_seconds: float
    control: ControlRecorder


class Term:
    """A term."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        kube, informers, world = parts.kube, parts.informers, parts.world
        self._targets = Targets(kube, informers, world)
        self._keeper = GateKeeper(kube, informers, parts.gate, parts.istiod, self.want_holds)
        scaled_objects = ScaledObjects(kube, informers.keda.scaled_objects)
        holds = HoldReconciler(
            world,
            self._targets,
            Effects(kube, world, parts.recorder, scaled_objects, parts.control),
            Sources(
                demand=parts.demand,
                gate=lambda: self._keeper.verdict,
                keda=informers.keda,
                scaler=parts.scaler,
                scaled_objects=scaled_objects,
            ),
            parts.control,
        )
        self.looks = holds.looks
        """What was found when each TrafficHold was looked at last."""
        policies = PolicyReconciler(kube, informers, world, self._targets, parts.protected)
        timed = parts.control.timed
        self.holds: Queue[Key] = Queue(
            "TrafficHold", timed("TrafficHold", holds.reconcile), workers=parts.workers
        )
        self.policies: Queue[str] = Queue(
            "HoldPolicy", timed("HoldPolicy", _once(policies.reconcile)), workers=1
        )
        self.gate: Queue[str] = Queue(
            "gate", timed("gate", _once(self._keeper.reconcile)), workers=1
        )

    def __repr__(self) -> str:
        return f"<Term {self.holds!r} {self.policies!r} {self.gate!r}>"

    def depths(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Return how many keys are in each queue, by its name and by what they wait for."""
        yield from _depths("TrafficHold", self.holds)
        yield from _depths("HoldPolicy", self.policies)
        yield from _depths("gate", self.gate)

    def want_hold(self, key: Key) -> None:
        """Have a TrafficHold looked at."""
        self.holds.add(key)

    def want_holds(self) -> None:
        """Have all TrafficHolds looked at."""
        for key in self._parts.informers.holds.store.snapshot():
            self.holds.add(key)

    def want_policies(self) -> None:
        """Have the policies looked at, if they are seen: what one has made would else be undone."""
        if self._parts.informers.serves_policies:
            self.policies.add_after(_ALL, TOGETHER_SECONDS)

    def want_gate(self) -> None:
        """Have the gate looked at."""
        self.gate.add(_ALL)

    def demand_changed(self, key: Key) -> None:
        """Have a TrafficHold looked at, for its demand is another."""
        self.holds.add_after(key, TOGETHER_SECONDS)

    async def run(self, stopping: asyncio.Event) -> None:
        """Act until told to stop; then let work that goes on come to its end."""
        await self._prepare()
        self.want_holds()
        self.want_policies()
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._keeper.run(), name="gate")
            queues = (self.holds, self.policies, self.gate)
            working = [group.create_task(each.run(), name=repr(each)) for each in queues]
            await stopping.wait()
            for queue in queues:
                queue.stop()
            _, late = await asyncio.wait(working, timeout=self._parts.stop_seconds)
            for task in (looking, *late):
                task.cancel()

    async def _prepare(self) -> None:
        """Know the targets, what scales them, and the gate, before anything is concluded."""
        informers = self._parts.informers
        for informer in informers:
            await informer.synced.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await informers.keda.settled()
        await self._targets.prepare(map(kind_of_target, informers.holds.store.snapshot().values()))
        try:
            await self._keeper.reconcile()
        except KubeError as error:
            log.warning("the gate cannot be applied: %s", error)
            self.want_gate()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._keeper.look()


def _depths(name: str, queue: Queue[K]) -> Iterator[tuple[tuple[str, str], int]]:
    backlog = queue.backlog
    yield (name, "ready"), backlog.ready
    yield (name, "delayed"), backlog.delayed
    yield (name, "running"), backlog.running


def _once(
    work: Callable[[], Awaitable[float | None]],
) -> Callable[[str], Awaitable[float | None]]:
    async def look(_: str) -> float | None:
        return await work()

    return look
