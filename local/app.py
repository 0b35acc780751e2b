"""Local mode put together: configuration in, a running Envoy, hold server and workloads out.

The composition root, and the order in which all of it ends. Must not know what a person sees.
"""

import asyncio
import logging
import os
import socket
import sys
import time
from pathlib import Path

from extproc.app import HoldServer
from extproc.core.demand import Demand
from extproc.core.probe import ProbeRule
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.throttler import Observer
from istio.address import TcpAddress, UnixAddress
from local import bootstrap
from local.config import LocalConfig, WorkloadConfig
from local.envoy import Envoy, EnvoyError
from local.guard import Guard
from local.routes import Route, cluster_name
from local.supervisor import Supervisor
from local.xds import EndpointDiscovery
from telemetry.catalogue import METRICS
from telemetry.clock import Clock
from telemetry.cold_starts import ColdStarts
from telemetry.store import Store

log = logging.getLogger(__name__)

NAMESPACE = "local"
SOCKET = "layby.sock"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Bytes that a kernel takes for the path of a unix socket."""
SETTLE = 0.01
"""Seconds that a local Envoy takes at first sight to apply an endpoint."""
FAREWELL = 0.5
"""Seconds for clients between two requests to be told, with the answer to the next one, that their
connection ends: cut behind a request, it would cost that one."""
LAST_WORDS = 1.0
"""Seconds for the answers to those whose patience or ours has ended."""


class LocalMesh:
    """The workloads of one configuration behind one Envoy.

    Args:
        config: what to run.
        folder: a private, empty folder for sockets; short, for socket paths are. If its name
            starts with `layby-`, the guard removes it in the end.
        observer: is told what becomes of requests.
        cold_starts: told how far starts have come, by the observer too; its own by default.
    """

    def __init__(
        self,
        config: LocalConfig,
        folder: Path,
        observer: Observer | None = None,
        cold_starts: ColdStarts | None = None,
    ) -> None:
        self.config = config
        self.cold_starts = cold_starts or ColdStarts(Store(METRICS), Clock(time.monotonic))
        self._folder = folder
        self._guard = Guard(scratch=folder)
        self._endpoints = EndpointDiscovery()
        self.envoy = Envoy(folder, self._guard)
        self.supervisors: dict[WorkloadKey, Supervisor] = {}
        clusters: dict[str, WorkloadKey] = {}
        for workload in config.workloads:
            key = WorkloadKey(NAMESPACE, workload.name)
            clusters[cluster_name(workload.name)] = key
            self.supervisors[key] = Supervisor(
                workload,
                key,
                endpoints=self._endpoints,
                envoy=self.envoy,
                guard=self._guard,
                cold_starts=self.cold_starts,
            )
        self.hold = HoldServer(
            self,
            clusters.get,
            max_pending=config.max_pending,
            settle=SETTLE,
            services=[self._endpoints.handler()],
            observer=observer,
        )

    def wake(self, key: WorkloadKey) -> None:
        """Start a workload (the hold server asks)."""
        self.supervisors[key].wake()

    def demand(self, key: WorkloadKey) -> Demand:
        """The demand for a workload now."""
        return self.hold.demand(key)

    async def run(self, ready: asyncio.Event, stopping: asyncio.Event) -> None:
        """Serve from `ready` on until `stopping` is set, then drain and end everything.

        Raises:
            EnvoyError: Envoy cannot be started, or ended by itself.
            OSError: the listen address is taken, or the folder has an unsuitable name.
        """
        _check_sockets(self._folder / SOCKET, self.envoy.admin_socket)
        _check_free(self.config.listen.host, self.config.listen.port)
        try:
            await self._guard.start()
        except asyncio.CancelledError:
            await self._guard.close()
            raise
        try:
            await self._serve(ready, stopping)
        finally:
            await self._guard.close()

    def kill(self) -> None:
        """End the workloads and Envoy at once, whatever runs; this process should end next."""
        self._guard.kill()

    async def _serve(self, ready: asyncio.Event, stopping: asyncio.Event) -> None:
        unix = self._folder / SOCKET
        workloads = {key: _workload(key, s.config) for key, s in self.supervisors.items()}
        try:
            await self.hold.start(f"unix:{unix}")
            self.hold.replace(workloads)
            await self.hold.ready()
            await self.envoy.start(self._bootstrap(unix), concurrency=_workers())
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(supervisor.run(self.hold), name=f"workload {key.name}")
                    for key, supervisor in self.supervisors.items()
                ]
                running.append(tasks.create_task(self.envoy.wait(), name="envoy"))
                running.append(tasks.create_task(self._guard.watch(), name="guard"))
                ready.set()
                await stopping.wait()
                await self._drain()
                for task in running:
                    task.cancel()
        except* EnvoyError as group:
            raise group.exceptions[0] from None
        finally:
            # Before the hold server, which would wait for the streams that only Envoy ends.
            await self.envoy.stop()
            await self.hold.drain(0, hand_over=False)

    async def _drain(self) -> None:
        """New requests stay out, parked ones get their workload or an answer, running ones end.

        Envoy is asked what runs: an access log tells late of a request that has just come, and
        not at all of an answer that its client has yet to read.
        """
        log.info("draining: %d parked", self.hold.throttler.pending())
        quiet = await self._quiet_within(self.config.drain)
        self.hold.throttler.drain()
        if not quiet and not await self._quiet_within(LAST_WORDS):
            log.warning("cutting requests that still run after %g s", self.config.drain)

    async def _quiet_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.envoy.close_listeners()
                told = asyncio.get_running_loop().time() + FAREWELL
                while await self.envoy.is_busy() or (
                    asyncio.get_running_loop().time() < told and await self.envoy.is_connected()
                ):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True

    def _bootstrap(self, unix: Path) -> dict[str, object]:
        workloads = self.config.workloads
        return bootstrap.bootstrap(
            bootstrap.BootstrapOptions(
                listen=TcpAddress(*self.config.listen),
                workloads=tuple(bootstrap.Workload(w.name, w.protocol) for w in workloads),
                routes=tuple(
                    Route(w.name, tuple(w.hosts), prefix)
                    for w in workloads
                    for prefix in w.prefixes
                ),
                hold_endpoints=(UnixAddress(str(unix)),),
                admin=UnixAddress(str(self.envoy.admin_socket)),
            )
        )


def _workload(key: WorkloadKey, config: WorkloadConfig) -> Workload:
    probes = tuple(ProbeRule(p.path, p.user_agent, p.method, p.status) for p in config.probes)
    hold = Hold(config.hold.timeout, config.hold.max_pending, config.release.per_second)
    return Workload(key, hold, probes, config.wake.backoff)


def _workers() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_sockets(*paths: Path) -> None:
    """Find out before gRPC does, which names neither the folder nor what is wrong with it."""
    for path in paths:
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            raise OSError(f"too long for a unix socket: {path}; set TMPDIR to a shorter path")
        if "%" in str(path):  # gRPC takes it for an escape
            raise OSError(f"a unix socket must have no % in its path: {path}; change TMPDIR")


def _check_free(host: str, port: int) -> None:
    """Find out before Envoy does, whose message is hard to read."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another address with "
                "`listen:`"
            ) from error
