"""Wakes workloads through `/scale`, and finds out when a start is hopeless.

One task for each TrafficHold somebody waits for, for as long as somebody does. Must not know who
waits, nor what becomes ready.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

from crds.v1alpha1 import TrafficHold
from extproc.core.workload import WorkloadKey
from extproc.mesh.directory import Directory
from extproc.mesh.lookout import Lookout, look
from extproc.mesh.wakes import Wakes
from extproc.mesh.winner import winner
from extproc.waiting import happens
from feed.board import HoldName
from feed.wake import WakeOutcome
from kube.client import Kube
from kube.discovery import Discovery
from kube.errors import KubeError, MismatchError
from kube.resource import Key, Resource
from kube.store import Change
from telemetry.cold_start import Winner
from telemetry.cold_starts import ColdStarts
from telemetry.pods import marks

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 2.0
"""Between two looks at a workload that is starting: whether it is still asked to run, and whether
its pods can be made at all. Its pods are watched."""
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0


class Waiting(Protocol):
    """Who waits, and who is to be told."""

    def wants_wake(self, key: WorkloadKey) -> bool:
        """Whether somebody waits for it, and nothing of it is ready."""

    def start_failed(self, key: WorkloadKey, reason: str) -> None:
        """Tell whoever waits that it cannot start."""


class ScaleWaker:
    """Starts the targets of TrafficHolds.

    Args:
        kube: the API.
        discovery: what kinds there are.
        directory: what is held now.
        wakes: where their beginnings and ends are written down.
        cold_starts: told how far they have come.
    """

    def __init__(
        self,
        kube: Kube,
        discovery: Discovery,
        directory: Callable[[], Directory],
        wakes: Wakes,
        cold_starts: ColdStarts,
    ) -> None:
        self._kube = kube
        self._discovery = discovery
        self._directory = directory
        self._wakes = wakes
        self._cold_starts = cold_starts
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._waiting: Waiting | None = None

    def attach(self, waiting: Waiting, group: asyncio.TaskGroup) -> None:
        """Say who waits, and who owns the tasks; nothing is woken before."""
        self._waiting, self._group = waiting, group

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """The wakes that go on."""
        return self._tasks.values()

    def wake(self, key: WorkloadKey) -> None:
        """Start a workload, unless that goes on already."""
        hold = Key(key.namespace, key.name)
        self._wakes.begun(HoldName(*hold))
        self._cold_starts.begin(hold)
        last = self._tasks.get(hold)
        # One that has just ended is still here, but does not know of whoever has just come.
        if self._group is None or (last and not last.done()):
            return
        task = self._group.create_task(self._wake(hold), name=f"wake {key}")
        self._tasks[hold] = task
        task.add_done_callback(partial(self._ended, hold))

    def _ended(self, hold: Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get(hold) is task:
            del self._tasks[hold]

    async def _wake(self, key: Key) -> None:
        retry = FIRST_RETRY_SECONDS
        while (hold := self._directory().holds.get(key)) and self._is_wanted(key):
            failed = True
            try:
                await self._start(key, hold)
                failed, retry = False, FIRST_RETRY_SECONDS
            except* KubeError as group:
                log.warning("%s/%s cannot be woken yet: %s", *key, group.exceptions[0])
            except* Exception:
                # One workload's trouble must not end the hold server of all others.
                log.exception("%s/%s cannot be woken", *key)
            if failed:
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY_SECONDS)
        # Had it become ready, or failed, that would be written down already.
        self._wakes.ended(HoldName(*key), WakeOutcome.TIMED_OUT)
        self._cold_starts.left(key)

    def _is_wanted(self, key: Key) -> bool:
        waiting = self._waiting
        if waiting is None:
            return False
        return any(waiting.wants_wake(each) for each in self._directory().of_hold(key))

    async def _start(self, key: Key, hold: TrafficHold) -> None:
        """Ask for replicas, and watch the start until nobody waits any more."""
        ref = hold.spec.target_ref
        found = await self._discovery.find(ref.api_version, ref.kind)
        if found is None or not found.has_scale:
            self._tell(key, f"{ref.api_version} {ref.kind} is not a kind that can be scaled here")
            return
        resource, target = found.resource, Key(key.namespace, ref.name)
        replicas = hold.spec.wake.replicas
        selector = await self._scale(key, resource, target, replicas)
        lookout = Lookout(self._kube, resource, target, selector)
        changed = asyncio.Event()

        def changed_pods(_: Change) -> None:
            for mark in marks(lookout.items):
                self._cold_starts.mark(key, mark)
            changed.set()

        lookout.pods.subscribe(changed_pods)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(lookout.pods.run(), name=f"pods of {target.name}")
            if not selector:
                # A kind that does not tell its pods: these would be all of the namespace.
                following.cancel()
            while self._is_wanted(key):
                if reason := await lookout.diagnosed():
                    log.debug("%s/%s cannot start: %s", *key, reason)
                    self._tell(key, reason)
                changed.clear()
                if not await happens(changed, LOOK_AGAIN_SECONDS):
                    # Whoever else scales it may have taken it back to zero.
                    await self._scale(key, resource, target, replicas)
            following.cancel()

    async def _scale(self, key: Key, resource: Resource, target: Key, replicas: int) -> str:
        """See to it that some replicas are asked for; return the selector of the pods."""
        try:
            scale = await self._kube.patch_scale(resource, target, current=0, desired=replicas)
        except MismatchError:
            # Another hold server, or an autoscaler, was quicker.
            log.debug("%s/%s: another has asked for replicas", *target)
            scale = await self._kube.get_scale(resource, target)
            if (start := self._cold_starts.open(key)) and start.winner is None:
                who = winner(await look(self._kube, resource, target))
                self._cold_starts.scaled(key, who, scale.desired)
            return scale.selector
        log.debug("%s/%s: 0 -> %d replicas", *target, replicas)
        self._cold_starts.scaled(key, Winner.LAYBY, replicas)
        return scale.selector

    def _tell(self, key: Key, reason: str) -> None:
        self._wakes.ended(HoldName(*key), WakeOutcome.FAILED, reason)
        self._cold_starts.failed(key, reason)
        if self._waiting:
            for each in self._directory().of_hold(key):
                self._waiting.start_failed(each, reason)
