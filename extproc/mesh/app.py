"""A hold server in a mesh put together.

The composition root of `layby extproc`. Must not know what a person sees.
"""

import asyncio
import logging
from collections.abc import Mapping

from extproc.app import HoldServer
from extproc.mesh.shares import shares
from extproc.mesh.waker import ScaleWaker
from extproc.mesh.watch import MeshWatch
from extproc.settings import Settings
from feed.board import HoldName, Share
from feed.service import FeedService
from kube.client import Kube
from kube.connection import Connection
from kube.discovery import Discovery

log = logging.getLogger(__name__)


async def run(settings: Settings, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, then drain.

    Raises:
        OSError: the listen address is taken.
        kube.connection.ConfigError: there is no way to the API server.
    """
    async with await Connection.open(user_agent="layby-extproc") as connection:
        kube = Kube(connection)
        watch = MeshWatch(kube, domain=settings.domain, namespace=settings.namespace)
        waker = ScaleWaker(kube, Discovery(kube), lambda: watch.directory)

        def known() -> Mapping[HoldName, Share]:
            return shares(server)

        feed = FeedService(known)
        server = HoldServer(
            waker,
            watch.find,
            max_pending=settings.max_pending,
            settle=settings.settle_seconds,
            services=[feed.handler()],
        )
        port = await server.start(settings.listen)
        log.info("serving on port %d", port)
        async with asyncio.TaskGroup() as tasks:
            waker.attach(server.throttler, tasks)
            running = [tasks.create_task(watch.run(server), name="watch")]
            running.append(tasks.create_task(_ready(watch, server), name="ready"))
            await stopping.wait()
            feed.close()
            await server.drain(settings.drain_seconds, hand_over=settings.hand_over)
            for task in (*running, *waker.tasks):
                task.cancel()


async def _ready(watch: MeshWatch, server: HoldServer) -> None:
    await watch.synced()
    await server.ready()
    log.info("ready: %d workloads are held", len(watch.directory.workloads))
