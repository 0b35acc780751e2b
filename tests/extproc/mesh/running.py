"""`layby extproc` as a process has it, without the process."""

import asyncio
import re
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from extproc.mesh.app import run
from extproc.settings import Settings
from feed.feed_pb2 import Report, WatchRequest
from feed.service import SERVICE
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings

HERE = {
    "listen": "127.0.0.1:0",
    "feed_listen": "127.0.0.1:0",
    "scaler_listen": "127.0.0.1:0",
    "settle_seconds": 0.0,
    "drain_seconds": 3.0,
}
ANY = health_pb2.HealthCheckRequest()


class Running:
    """A hold server that runs.

    Args:
        caplog: by which it is known where it serves.
        reports: what it reports to.
        settings: further ones.
    """

    def __init__(self, caplog, reports: Telemetry | None = None, **settings) -> None:
        caplog.set_level("INFO", "extproc.mesh.app")
        self._caplog = caplog
        self._ports: tuple[int, int] | None = None
        self.stopping = asyncio.Event()
        self.reports = reports or Telemetry(None, TraceSettings())
        serving = run(Settings(**{**HERE, **settings}), self.stopping, self.reports)
        self.task = asyncio.create_task(serving, name="run")

    @property
    def port(self) -> int | None:
        """Where it serves Envoys, once it does."""
        ports = self._find()
        return ports and ports[0]

    @property
    def feed_port(self) -> int | None:
        """Where it tells the demand, once it does."""
        ports = self._find()
        return ports and ports[1]

    def _find(self) -> tuple[int, int] | None:
        # It is said before the test itself begins, and then not to be read any more.
        if found := re.search(r"serving on port (\d+), demand on (\d+)", self._caplog.text):
            self._ports = int(found[1]), int(found[2])
        return self._ports

    @property
    def is_ready(self) -> bool:
        """Whether it says so."""
        return "ready: 1 workloads are held" in self._caplog.text

    async def stop(self) -> None:
        """End, and see that it ends well."""
        self.stopping.set()
        async with asyncio.timeout(5):
            await self.task


@asynccontextmanager
async def feed_at(port):
    """A stream of the demand feed."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = channel.unary_stream(
            f"/{SERVICE}/Watch",
            request_serializer=WatchRequest.SerializeToString,
            response_deserializer=Report.FromString,
        )
        yield watch(WatchRequest())


def health(envoy) -> Any:
    """Its health service, whose type has no methods."""
    return HealthStub(envoy.channel)


async def is_serving(envoy) -> bool:
    """Whether its health service says that it may be asked."""
    answer = await health(envoy).Check(ANY)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
