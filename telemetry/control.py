"""What the controller does and finds, counted.

Must not know how it decides, nor what works on its queues.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from telemetry.catalogue.controlling import (
    CONDITION,
    DRY_RUN_REQUESTS,
    DRY_RUN_SAVED,
    DRY_RUN_SLEEPS,
    RECONCILE,
    REPLICAS,
    SAVED_CPU,
    SLEEP_VERDICT,
    SLEEPS,
    ZERO_TIME,
)
from telemetry.savings import Savings
from telemetry.store import HoldName, Labels, Store

K = TypeVar("K")
Work = Callable[[K], Awaitable[float | None]]


class ControlRecorder:
    """Counts for a controller. Of workloads, only the leader tells."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._savings = Savings()
        self._rehearsed = Savings()
        store.watch(ZERO_TIME, lambda: self._savings.seconds(now()))
        store.watch(SAVED_CPU, lambda: self._savings.core_seconds(now()))
        store.watch(DRY_RUN_SAVED, lambda: self._would_have_saved(now()))

    def decided(self, hold: HoldName, reason: str) -> None:
        """Whether a workload is put to sleep, or why not, has been decided."""
        self._store.switch(SLEEP_VERDICT, hold, reason)

    def slept(self, hold: HoldName) -> None:
        """An idle workload has been put to zero."""
        self._store.add(SLEEPS, hold)

    def condition(self, hold: HoldName, kind: str, status: str) -> None:
        """A condition of a TrafficHold stands so."""
        self._store.switch(CONDITION, (*hold, kind), status)

    def saw(self, hold: HoldName, replicas: int, cores: float) -> None:
        """A workload has so many replicas; woken, it would request so many cores."""
        self._savings.saw(hold, replicas, cores, self._now())
        self._store.set(REPLICAS, hold, float(replicas))

    def missed(self, hold: HoldName) -> None:
        """A workload is not there, which is not to rest."""
        self._savings.saw(hold, 1, 0.0, self._now())
        self._store.forget(REPLICAS, hold)

    def rehearsed(self, hold: HoldName, sleeps: int, requests: int) -> None:
        """By `spec.dryRun`: so often it would have slept, and so many requests have waited."""
        self._store.add(DRY_RUN_SLEEPS, hold, float(sleeps))
        self._store.add(DRY_RUN_REQUESTS, hold, float(requests))

    def would_save(self, hold: HoldName, replicas: int) -> None:
        """By `spec.dryRun`: so many replicas would not run now."""
        self._rehearsed.saw(hold, 0 if replicas else 1, float(replicas), self._now())

    def timed(self, queue: str, work: Work[K]) -> Work[K]:
        """Do `work`, and say how long each turn takes."""
        self._store.begin(RECONCILE, (queue,))

        async def look(key: K) -> float | None:
            began, result = self._now(), "error"
            try:
                again = await work(key)
                result = "ok"
            finally:
                self._store.observe(RECONCILE, (queue, result), self._now() - began)
            return again

        return look

    def resigned(self) -> None:
        """Another one leads, and tells from now on."""
        self._savings.stop(self._now())
        self._rehearsed.stop(self._now())
        self._store.clear([SLEEP_VERDICT, CONDITION, REPLICAS])

    def retain(self, holds: set[HoldName]) -> None:
        """Forget all other workloads: they are gone."""
        self._savings.retain(holds)
        self._rehearsed.retain(holds)

    def _would_have_saved(self, now: float) -> Iterable[tuple[Labels, float]]:
        """Return the seconds of those workloads alone that are asked what would have been."""
        return [each for each in self._rehearsed.core_seconds(now) if each[1]]
