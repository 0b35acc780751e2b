"""Workers on a backlog of keys: each key by one at a time, several keys at once.

Owns the tasks. Must not know what the work is, nor what a key stands for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kube.backlog import Backlog, Retry
from kube.errors import KubeError

K = TypeVar("K", bound=Hashable)

_CLOCK_SECONDS = 1e-6

log = logging.getLogger(__name__)


class Queue(Generic[K]):
    """Keys to look at again, and what looks.

    The work is given a key and nothing else: it looks at how things are. It may return the
    seconds after which it wants to look again. If it fails it is tried again, later each time.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[float | None]],
        *,
        workers: int = 4,
        retry: Retry | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._workers = workers
        self._backlog: Backlog[K] = Backlog(retry)
        self._changed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Queue {self._name} {self._backlog!r}>"

    @property
    def backlog(self) -> Backlog[K]:
        """What waits, for whoever counts."""
        return self._backlog

    def add(self, key: K) -> None:
        """Have a key looked at as soon as may be."""
        self._backlog.add(key)
        self._quiet.clear()
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key looked at in a while, unless it is looked at before."""
        self._backlog.add_at(key, asyncio.get_running_loop().time() + seconds)
        self._changed.set()

    async def run(self) -> None:
        """Work, until told to stop. Cancelling stops the work that goes on as well."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                self._changed.clear()
                self._begin(group)
                if not (self._backlog.ready or self._backlog.running):
                    self._quiet.set()
                await self._change()

    def stop(self) -> None:
        """Begin no more work. `run` returns once that which goes on is done."""
        self._stopping = True
        self._changed.set()

    async def idle(self) -> None:
        """Wait until no key is being worked on and none is ready, though some may be due later."""
        while self._backlog.ready or self._backlog.running:
            self._quiet.clear()
            await self._quiet.wait()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        # A timer may fire early, by as much as the clock cannot tell: without the allowance its key
        # would not be due yet, and the loop would turn until it is.
        now = asyncio.get_running_loop().time() + _CLOCK_SECONDS
        while self._backlog.running < self._workers:
            key = self._backlog.take(now)
            if key is None:
                return
            group.create_task(self._look_at(key), name=f"{self._name} {key}")

    async def _change(self) -> None:
        # With all workers busy it is the end of one of them that matters, not what is due.
        busy = self._backlog.running >= self._workers
        try:
            async with asyncio.timeout_at(None if busy else self._backlog.next_due()):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _look_at(self, key: K) -> None:
        loop = asyncio.get_running_loop()
        try:
            again_after = await self._work(key)
        except asyncio.CancelledError:
            # Not done, whoever it was that cancelled: another `run` shall find it.
            self._backlog.failed(key, loop.time())
            raise
        except KubeError as error:
            seconds = self._backlog.failed(key, loop.time(), error.retry_after or 0.0)
            log.warning("%s %s: %s; again in %.1f s", self._name, key, error, seconds)
        except Exception:
            seconds = self._backlog.failed(key, loop.time())
            log.exception("%s %s failed; again in %.1f s", self._name, key, seconds)
        else:
            self._backlog.done(key)
            if again_after is not None:
                self._backlog.add_at(key, loop.time() + again_after)
        self._changed.set()
