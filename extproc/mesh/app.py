"""A hold server in a mesh put together.

The composition root of `layby extproc`. Must not know what a person sees.
"""

import asyncio
import logging

from extproc.app import HoldServer
from extproc.mesh import gauges
from extproc.mesh.demand import MeshDemand
from extproc.mesh.starts import Starts
from extproc.mesh.waker import ScaleWaker
from extproc.mesh.wakes import Wakes
from extproc.mesh.watch import MeshWatch
from extproc.scaler.gauges import watch as watch_scaler
from extproc.scaler.service import ScalerService
from extproc.server import ServiceServer
from extproc.settings import Settings
from feed.gauges import watch as watch_feed
from feed.hold_servers import HoldServers
from feed.service import FeedService
from feed.tokens import Tokens
from kube.client import Kube
from kube.connection import Connection
from kube.discovery import Discovery
from kube.resource import Key
from telemetry.app import Telemetry
from telemetry.catalogue.holding import FROM_ZERO

log = logging.getLogger(__name__)

LAST_WORDS = 2.0
"""Seconds for what KEDA has just asked, and for the ends of the feed's streams."""


async def run(settings: Settings, stopping: asyncio.Event, reports: Telemetry) -> None:
    """Serve until `stopping` is set, then drain. What is reported outlasts it.

    Raises:
        OSError: a listen address is taken, or a certificate or a token is of no use.
        kube.connection.ConfigError: there is no way to the API server.
    """
    tokens = Tokens.given(settings.feed_token_file, "LAYBY_EXTPROC_FEED_TOKEN_FILE")
    async with await Connection.open(user_agent="layby-extproc") as connection:
        kube = Kube(connection)
        wakes = Wakes()
        hold_servers = HoldServers(
            kube, settings.service_namespace, settings.service, tokens=tokens
        )
        watch = MeshWatch(
            kube,
            domain=settings.domain,
            wakes=wakes,
            cold_starts=reports.cold_starts,
            hold_servers=hold_servers,
            namespaces=settings.watch_namespaces,
        )
        waker = ScaleWaker(
            kube, Discovery(kube), lambda: watch.directory, wakes, reports.cold_starts
        )
        # Two of them are made below.
        feed = FeedService(
            lambda: demand.own(),  # noqa: PLW0108
            lambda: server.log_streams or int(hold_servers.heard),
            tokens,
        )
        server = HoldServer(
            waker,
            watch.find,
            max_pending=settings.max_pending,
            settle=settings.settle_seconds,
            observer=reports.holds,
        )
        starts = Starts(reports.cold_starts, asyncio.get_running_loop().time)
        demand = MeshDemand(server, wakes, hold_servers, starts)
        wakes.subscribe(lambda _: feed.look())
        reports.only(lambda: watch.directory.known, FROM_ZERO)
        gauges.watch(reports.store, server, demand, limit=settings.max_pending)
        watch_feed(reports.store, hold_servers)
        service = ScalerService(demand, lambda hold: Key(*hold) in watch.directory.holds)
        watch_scaler(reports.store, service)
        listeners, keda = ServiceServer(feed), ServiceServer(service)
        tls = settings.scaler_tls.credentials() if settings.scaler_tls else None
        # All are bound before any begins: who cannot have one of them has not served anybody.
        feed_port = listeners.listen(settings.feed_listen)
        keda_port = keda.listen(settings.scaler_listen, tls)
        port = await server.start(settings.listen)
        await listeners.start()
        await keda.start()
        # As the others know it.
        own = f"{settings.feed_listen.rpartition(':')[0]}:{feed_port}"
        log.info("serving on port %d, demand on %d, KEDA on %d", port, feed_port, keda_port)
        async with asyncio.TaskGroup() as tasks:
            waker.attach(server.throttler, tasks)
            running = [
                tasks.create_task(watch.run(server), name="watch"),
                tasks.create_task(hold_servers.run(), name="hold servers"),
                tasks.create_task(_ready(watch, server), name="ready"),
            ]
            await stopping.wait()
            async with asyncio.TaskGroup() as ending:
                # The first to begin: after the drain it would tell that what is handed over has
                # ended, and the other one only a moment later that it is there.
                ending.create_task(listeners.stop(LAST_WORDS), name="demand feed")
                ending.create_task(keda.stop(LAST_WORDS), name="scaler")
                # A stream that fails with nobody to take it is a 503. Even of two, the other may be
                # the one that went before.
                others = hold_servers.ready() - {own}
                drain = server.drain(settings.drain_seconds, hand_over=bool(others))
                ending.create_task(drain, name="drain")
            for task in (*running, *waker.tasks):
                task.cancel()


async def _ready(watch: MeshWatch, server: HoldServer) -> None:
    await watch.synced()
    await server.ready()
    log.info("ready: %d workloads are held", len(watch.directory.workloads))
