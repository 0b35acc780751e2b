"""The controller put together.

The composition root of `layby controller`. Must not know how demand is told.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack

from controller.demand import DemandSource
from controller.gate import gate_objects
from controller.health import health
from controller.hold_servers import FeedDemand
from controller.informers import Informers
from controller.istiod import Access, Istiod
from controller.looks import Look
from controller.rule import Mesh
from controller.scaled_object import Scaler
from controller.settings import Settings
from controller.showing import Showing
from controller.surroundings import tell_version
from controller.term import Parts, Term
from controller.triggers import Triggers
from controller.world import World
from feed.gauges import watch as watch_feed
from feed.hold_servers import HoldServers
from feed.tokens import Tokens
from kube.client import Kube
from kube.connection import Connection
from kube.events import Recorder
from kube.leader import Leader
from kube.leader import Term as LeaseTerm
from kube.resource import Key
from page.serving import serve as serve_page
from telemetry.app import Telemetry
from telemetry.catalogue.controlling import FROM_ZERO, LEADER, QUEUE

NAME = "layby.dev/controller"
LEASE = "layby-controller"
SCALER_PORT = 9091
LAST_WORDS_SECONDS = 2.0
"""For Events that are still on their way when all else has ended; none, none of it."""

log = logging.getLogger(__name__)


async def run(settings: Settings, stopping: asyncio.Event, reports: Telemetry) -> None:
    """Act whenever this is the leader, until `stopping` is set. What is reported outlasts it.

    Raises:
        OSError: the port for health, or for the page, is taken; or a token is of no use.
        kube.connection.ConfigError: there is no way to the API server.
    """
    tokens = Tokens.given(settings.feed_token_file, "LAYBY_CONTROLLER_FEED_TOKEN_FILE")
    async with AsyncExitStack() as stack:
        connection = await Connection.open(user_agent="layby-controller")
        kube = Kube(await stack.enter_async_context(connection))
        hold_servers = HoldServers(kube, settings.namespace, settings.hold_service, tokens=tokens)
        watch_feed(reports.store, hold_servers)
        demand = FeedDemand(hold_servers)
        controller = Controller(kube, settings, demand, reports)
        if settings.health_port:
            where = (settings.health_host, settings.health_port)
            await stack.enter_async_context(health(*where, lambda: controller.informers.synced))
        if settings.page_port:
            look = controller.showing(hold_servers).look
            shown = serve_page(
                settings.page_host or None,
                settings.page_port,
                look,
                ready=lambda: controller.informers.synced,
                only_here=True,
            )
            log.info("page on port %d", await stack.enter_async_context(shown))
        async with asyncio.TaskGroup() as group:
            beside = (
                group.create_task(demand.run(), name="demand"),
                group.create_task(tell_version(kube), name="version"),
            )
            await controller.run(stopping)
            for task in beside:
                task.cancel()


class Controller:
    """One of the controllers of a cluster. All of them watch; the leader acts."""

    def __init__(
        self, kube: Kube, settings: Settings, demand: DemandSource, reports: Telemetry
    ) -> None:
        mesh = Mesh(settings.root_namespace, settings.domain, settings.not_ready_endpoints)
        self.informers = Informers(
            kube,
            mesh,
            keda=settings.keda,
            namespaces=settings.watch_namespaces,
        )
        self.term: Term | None = None
        """What this one does as the leader, while it is."""
        world = World(self.informers, mesh)
        identity = settings.identity or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self._recorder = Recorder(kube, NAME, identity)
        self._parts = Parts(
            kube=kube,
            informers=self.informers,
            world=world,
            recorder=self._recorder,
            demand=demand,
            gate=gate_objects(settings),
            istiod=_istiod(settings),
            scaler=scaler_for(settings),
            protected=frozenset({settings.namespace, settings.root_namespace}),
            workers=settings.workers,
            stop_seconds=settings.stop_seconds,
            control=reports.control,
        )
        self._leader = Leader(
            kube, Key(settings.namespace, LEASE), identity, _lease_term(settings.lease_seconds)
        )
        self._stopping = asyncio.Event()
        Triggers(self.informers, world, lambda: self.term).subscribe()
        demand.subscribe(self._demand_changed)
        reports.only(self.informers.holds.store.snapshot, FROM_ZERO)
        reports.store.watch(LEADER, lambda: [((), float(self._leader.leading))])
        reports.store.watch(QUEUE, lambda: self.term.depths() if self.term else ())

    def __repr__(self) -> str:
        return f"<Controller {self.term or 'does not lead'}>"

    def showing(self, hold_servers: HoldServers) -> Showing:
        """Return what can be shown of it all."""
        return Showing(self.informers.holds.store, hold_servers, self._leader, self._looks)

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch, and act while leading, until told to stop.

        The order of the end: no new work, the work that goes on, the lease, what is left to tell,
        and the informers last.
        """
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self.informers.run(), name="informers")
            telling = group.create_task(self._recorder.run(), name="events")
            leading = group.create_task(self._leader.lead(self._act), name="leader")
            await stopping.wait()
            self._stopping.set()
            patience = self._parts.stop_seconds
            if self.term is None:
                leading.cancel()
            # A term that has not begun yet, for the API server is silent, does not end either.
            _, late = await asyncio.wait([leading], timeout=patience + LAST_WORDS_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.wait([leading])
            await self._recorder.flush(min(patience, LAST_WORDS_SECONDS))
            for task in (telling, watching):
                task.cancel()

    async def _act(self) -> None:
        # Made anew each time: what was remembered before another one led is not true any more.
        self.term = Term(self._parts)
        try:
            await self.term.run(self._stopping)
        finally:
            self.term = None
            self._parts.control.resigned()

    def _looks(self) -> Mapping[Key, Look]:
        return self.term.looks if self.term else {}

    def _demand_changed(self, key: Key) -> None:
        if self.term is not None:
            self.term.demand_changed(key)


def scaler_for(settings: Settings) -> Scaler:
    """Return where KEDA finds the hold servers."""
    host = f"{settings.hold_service}.{settings.namespace}.svc.{settings.domain}"
    address = settings.scaler_address or f"{host}:{SCALER_PORT}"
    return Scaler(address, settings.scaler_authentication)


def _istiod(settings: Settings) -> Istiod | None:
    if not settings.istiod_url:
        return None
    return Istiod(Access(settings.istiod_url, settings.istiod_token, settings.cluster_name))


def _lease_term(seconds: float) -> LeaseTerm:
    """Keep the proportions of the default."""
    return LeaseTerm(seconds, act_seconds=seconds * 2 / 3, renew_seconds=seconds / 7.5)
