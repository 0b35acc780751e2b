"""A hold server put together: queue, throttler, services, and the order in which they end.

The composition root that every process with a hold server shares. Must not know where endpoints
come from.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence

import grpc

from extproc.access_log import AccessLog
from extproc.core.demand import Demand
from extproc.core.hold import HoldQueue
from extproc.core.settle import Settle
from extproc.core.workload import Workload, WorkloadKey
from extproc.processor import Processor
from extproc.server import Server
from extproc.throttler import Observer, Throttler, Waker

FLUSH = 0.3
"""Seconds that answers may take from here to the socket."""
LAST_WORDS = 2.0
"""Seconds for answers that are on their way when the server stops."""
YOUNG_OBJECTS = 10_000
"""New objects between two collections. What a parked request is made of lives on, so Python's own
700 has each request pay for looking at the others: 4,500 parks per CPU second, and 5,900 so."""
COMEBACK = 0.1
"""Seconds that a drain waits behind the last verdict: an Envoy that has yet to hear of the endpoint
parks its request again on the next chance, milliseconds later, or tens of them if it is busy."""


class HoldServer:
    """An ext_proc server with its access-log receiver and health service.

    Args:
        waker: starts workloads.
        find: the workload behind an Envoy cluster name, if it is managed.
        max_pending: requests that may wait here at once.
        settle: seconds that Envoy probably takes to learn of an endpoint; it learns better.
        services: further gRPC services on the same server.
        observer: is told what becomes of requests.
    """

    def __init__(  # noqa: PLR0913 - parts, put together
        self,
        waker: Waker,
        find: Callable[[str], WorkloadKey | None],
        *,
        max_pending: int,
        settle: float,
        services: Sequence[grpc.GenericRpcHandler] = (),
        observer: Observer | None = None,
    ) -> None:
        self._settle = Settle(first=settle)
        queue = HoldQueue(max_pending=max_pending, settle=self._settle)
        self.throttler = Throttler(queue, waker, observer)
        self._known = asyncio.Event()
        self._access_log = AccessLog(find)
        self._processor = Processor(self.throttler, find, self._access_log.asked, self._known)
        self._server = Server(
            [self._processor.handler(), self._access_log.handler(), *services],
        )

    async def start(self, address: str) -> int:
        """Serve on `host:port` or `unix:/path`, but tell health checks not to send anybody yet.

        Returns:
            The port.

        Raises:
            OSError: the address cannot be bound.
        """
        gc.set_threshold(YOUNG_OBJECTS)
        port = self._server.listen(address)
        await self._server.start()
        return port

    async def ready(self) -> None:
        """Everything that is to be known at first is known: tell health checks so."""
        await self._server.serving(ready=True)

    def replace(self, workloads: Mapping[WorkloadKey, Workload]) -> None:
        """Take the whole new set of workloads; until the first one, requests wait for it."""
        self._access_log.replace(workloads)
        self.throttler.replace(workloads)
        self._known.set()

    def demand(self, key: WorkloadKey) -> Demand:
        """The demand for a managed workload, as far as this server knows."""
        return self._access_log.demand(key, self.throttler.pending(key))

    @property
    def settle(self) -> float:
        """The wait between a ready endpoint and the release, as learnt so far; in seconds."""
        return self._settle.wait

    @property
    def log_streams(self) -> int:
        """How many streams of access logs Envoys have opened here."""
        return self._access_log.streams

    def touched(self) -> set[WorkloadKey]:
        """Return the workloads for which there has been any demand."""
        return {*self._access_log.touched(), *self.throttler.waited_for()}

    async def drain(self, patience: float, *, hand_over: bool) -> None:
        """End without losing a request. The order matters: nothing comes in behind what goes out.

        Args:
            patience: seconds that parked requests may still wait for their workloads.
            hand_over: another hold server is up: give it the parked requests at once. Without
                one, whoever is still parked when patience ends is told to come again.
        """
        await self._server.serving(ready=False)
        if not hand_over:
            await self.throttler.emptied(patience, comeback=COMEBACK)
        self._access_log.close()
        if hand_over:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._server.stop(patience), name="stop")
                # One turn of the loop: listeners are closed and clients told to go elsewhere
                # before the first stream fails and is tried again.
                await asyncio.sleep(0)
                self._processor.hand_over()
                self.throttler.drain()
            return
        self.throttler.drain()
        # gRPC drops what it has not written yet when the server goes: measured, 22 of 100 answers.
        await asyncio.sleep(FLUSH)
        await self._server.stop(LAST_WORDS)
