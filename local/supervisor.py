"""One workload's life: started when somebody waits for it, stopped when nobody has come for long.

Tells Envoy and the hold server of its endpoint, in that order. Must not know requests.
"""

import asyncio
import logging
from enum import StrEnum

from extproc.app import HoldServer
from extproc.core.workload import WorkloadKey
from extproc.waiting import happens
from istio.address import TcpAddress
from local.config import WorkloadConfig
from local.envoy import Envoy
from local.guard import Guard
from local.process import Process, StartFailure
from local.routes import cluster_name
from local.xds import EndpointDiscovery
from telemetry.cold_start import Mark
from telemetry.cold_starts import ColdStarts

log = logging.getLogger(__name__)

LOG_DELAY = 0.3
"""How late an access-log entry may be: Envoy's flush interval of 0.1 s, and its way here. Requests
that Envoy sent on before it heard that the endpoint is gone are known by then."""
EARLY_END = 1.0
"""A process that ends by itself so soon after it was ready has not really started: whoever waits
for it hears why, rather than wait for it to end again and again."""
APPLY_TIMEOUT = 5.0
"""An Envoy that has not taken an update by then is stuck; the workload must not wait for it."""


class Phase(StrEnum):
    """Where a workload is in its life."""

    ZERO = "Zero"
    WAKING = "Waking"
    WARM = "Warm"
    STOPPING = "Stopping"


class Supervisor:
    """Runs one workload on demand."""

    def __init__(  # noqa: PLR0913 - whom it tells, and by whom it is helped
        self,
        config: WorkloadConfig,
        key: WorkloadKey,
        *,
        endpoints: EndpointDiscovery,
        envoy: Envoy,
        guard: Guard,
        cold_starts: ColdStarts,
    ) -> None:
        self.config = config
        self.phase = Phase.ZERO
        self.wakes = 0
        self.last_wake_seconds: float | None = None
        self.last_failure = ""
        self._key = key
        self._cluster = cluster_name(config.name)
        self._endpoints = endpoints
        self._envoy = envoy
        self._guard = guard
        self._cold_starts = cold_starts
        self._hold = (key.namespace, key.name)
        self._wanted = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Supervisor {self._key} {self.phase}>"

    def wake(self) -> None:
        """Somebody waits: start, or if about to stop, do not."""
        self._cold_starts.begin(self._hold, is_process=True)
        self._wanted.set()

    async def run(self, hold: HoldServer) -> None:
        """Start and stop the workload for ever; cancelling it stops the workload."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._live(hold)

    async def _live(self, hold: HoldServer) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        self.phase = Phase.WAKING
        # Not in `wake`: who comes while it is about to stop keeps it running, and starts nothing.
        self._cold_starts.launched(self._hold)
        process = Process(self.config, self._guard)
        try:
            await process.start(lambda: self._cold_starts.mark(self._hold, Mark.STARTED))
        except StartFailure as failure:
            self._failed(hold, failure.reason)
            self.phase = Phase.ZERO
            return
        up_at = clock()
        ended_early = False
        try:
            self.wakes += 1
            self.last_wake_seconds = up_at - begun
            self.last_failure = ""
            self._cold_starts.mark(self._hold, Mark.READY)
            was_idle = await self._serve(hold, process)
            ended_early = not was_idle and clock() - up_at < EARLY_END
        finally:
            self.phase = Phase.STOPPING
            self._close(hold)
            if ended_early:  # before the stop: what it has left behind may take the whole grace
                self._failed(hold, process.epitaph())
            await process.stop(self.config.stop.grace)
            self.phase = Phase.ZERO

    def _failed(self, hold: HoldServer, reason: str) -> None:
        self.last_failure = reason
        if self._cold_starts.open(self._hold):
            self._cold_starts.failed(self._hold, reason)
        else:  # it was up for a moment
            log.warning("%s cannot start: %s", self.config.name, reason)
        # Whoever asked for this start is told how it ended; the next one asks again.
        self._wanted.clear()
        hold.throttler.start_failed(self._key, reason)

    async def _serve(self, hold: HoldServer, process: Process) -> bool:
        """Whether it was idle in the end; False if the process ended first."""
        while not process.exited.is_set():
            await self._open(hold, process)
            if not await self._until_idle(hold, process):
                break
            self.phase = Phase.STOPPING
            version = self._close(hold)
            if await self._until_quiet(hold, process, version):
                log.info("%s was idle: stopped", self.config.name)
                return True
        log.warning("%s went down by itself: %s", self.config.name, process.epitaph())
        return False

    async def _open(self, hold: HoldServer, process: Process) -> None:
        self.phase = Phase.WARM
        # Envoy first: whoever is let go finds the endpoint there.
        version = self._endpoints.set_endpoints(self._cluster, [TcpAddress(*process.address)])
        await self._applied(version)
        self._cold_starts.mark(self._hold, Mark.SEEN)
        hold.throttler.endpoints_changed(self._key, 1)
        if not hold.throttler.pending(self._key):
            self._cold_starts.left(self._hold)
        # Those who came while Envoy took the endpoint have it now: nobody asks for another start.
        self._wanted.clear()

    def _close(self, hold: HoldServer) -> int:
        version = self._endpoints.set_endpoints(self._cluster, [])
        hold.throttler.endpoints_changed(self._key, 0)
        return version

    async def _until_idle(self, hold: HoldServer, process: Process) -> bool:
        """Whether it became idle; False if the process ended first."""
        after = self.config.idle.after
        clock = asyncio.get_running_loop().time
        while not process.exited.is_set():
            demand = hold.demand(self._key)
            if demand.is_idle(after, clock()):
                return True
            idle_at = demand.last_request + after
            pause = idle_at - clock() if idle_at > clock() else min(1.0, after)
            await happens(process.exited, pause)
        return False

    async def _until_quiet(self, hold: HoldServer, process: Process, version: int) -> bool:
        """Whether the last request has ended; False if another came, which keeps it running."""
        await self._applied(version)
        if await happens(self._wanted, LOG_DELAY):
            return False
        while not process.exited.is_set() and await self._is_busy(hold):
            if await happens(self._wanted, LOG_DELAY):
                return False
        return not self._wanted.is_set()

    async def _is_busy(self, hold: HoldServer) -> bool:
        """Whether a request is in flight; Envoy itself is asked, whose logs may be lost or late."""
        if hold.demand(self._key).in_flight:
            return True
        return await self._envoy.is_busy_with(self._cluster)

    async def _applied(self, version: int) -> None:
        try:
            async with asyncio.timeout(APPLY_TIMEOUT):
                await self._endpoints.applied(version)
        except TimeoutError:
            log.warning("Envoy has not confirmed the endpoints of %s", self.config.name)
