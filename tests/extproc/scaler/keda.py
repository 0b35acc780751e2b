"""KEDA as the scaler sees it, and demand as a test wants it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from extproc.scaler.gen.externalscaler_pb2 import (
    GetMetricSpecResponse,
    GetMetricsRequest,
    GetMetricsResponse,
    IsActiveResponse,
    MetricSpec,
    MetricValue,
    ScaledObjectRef,
)
from extproc.scaler.service import SERVICE, ScalerService
from extproc.scaler.tls import TlsFiles
from extproc.server import ServiceServer
from feed.board import HoldName, Share

CART = HoldName("shop", "cart")
AWAITED = Share(pending=1, in_flight=1)
QUIET = Share()


class ScriptedDemand:
    """The demand that the test says there is."""

    def __init__(self) -> None:
        self.shares: dict[HoldName, Share] = {}
        self.whole = True
        self.asked = 0
        self._callbacks: list[Callable[[HoldName], None]] = []

    def total(self, hold: HoldName) -> Share:
        """What the test has said last."""
        self.asked += 1
        return self.shares.get(hold, QUIET)

    def complete(self) -> bool:
        """Whether that is the whole."""
        return self.whole

    def subscribe(self, callback: Callable[[HoldName], None]) -> None:
        """Remember whom to tell."""
        self._callbacks.append(callback)

    def say(self, share: Share, hold: HoldName = CART) -> None:
        """Change the demand, and tell."""
        self.shares[hold] = share
        for callback in self._callbacks:
            callback(hold)


def scaler(demand: ScriptedDemand, held: Iterable[HoldName] = (CART,)) -> ScalerService:
    """A service over scripted demand, that knows of these holds."""
    return ScalerService(demand, frozenset(held).__contains__)


@asynccontextmanager
async def serving(service: ScalerService, tls: TlsFiles | None = None) -> AsyncIterator[int]:
    """Serve on a real port, and have it."""
    server = ServiceServer(service)
    port = server.listen("127.0.0.1:0", tls.credentials() if tls else None)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


class Keda:
    """Asks as KEDA does, for one trigger of one ScaledObject."""

    def __init__(self, channel: grpc.aio.Channel, name: str = "cart", **metadata: str) -> None:
        self._channel = channel
        self._ref = ScaledObjectRef(
            name=name,
            namespace="shop",
            scalerMetadata=metadata or {"concurrency": "10", "pollingInterval": "20"},
        )

    async def is_active(self) -> bool:
        """Ask whether the workload is wanted."""
        call: Any = self._channel.unary_unary(
            f"/{SERVICE}/IsActive",
            request_serializer=ScaledObjectRef.SerializeToString,
            response_deserializer=IsActiveResponse.FromString,
        )
        response: IsActiveResponse = await call(self._ref, timeout=5)
        return response.result

    def follow(self) -> Any:
        """Open a stream to be pushed at."""
        call = self._channel.unary_stream(
            f"/{SERVICE}/StreamIsActive",
            request_serializer=ScaledObjectRef.SerializeToString,
            response_deserializer=IsActiveResponse.FromString,
        )
        return call(self._ref)

    async def metric_spec(self) -> MetricSpec:
        """Ask what to scale by: one metric, and no other."""
        call: Any = self._channel.unary_unary(
            f"/{SERVICE}/GetMetricSpec",
            request_serializer=ScaledObjectRef.SerializeToString,
            response_deserializer=GetMetricSpecResponse.FromString,
        )
        response: GetMetricSpecResponse = await call(self._ref, timeout=5)
        (spec,) = response.metricSpecs
        return spec

    async def metric(self, name: str) -> MetricValue:
        """Ask for the value of a metric."""
        call: Any = self._channel.unary_unary(
            f"/{SERVICE}/GetMetrics",
            request_serializer=GetMetricsRequest.SerializeToString,
            response_deserializer=GetMetricsResponse.FromString,
        )
        request = GetMetricsRequest(scaledObjectRef=self._ref, metricName=name)
        response: GetMetricsResponse = await call(request, timeout=5)
        (value,) = response.metricValues
        return value


@asynccontextmanager
async def asking(demand: ScriptedDemand, **metadata: str) -> AsyncIterator[Keda]:
    """KEDA, connected to a scaler over scripted demand."""
    async with (
        serving(scaler(demand)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Keda(channel, **metadata)


async def pushed(call: Any) -> bool:
    """The next that a stream brings, which must come soon."""
    async with asyncio.timeout(5):
        response: IsActiveResponse = await call.read()
        return response.result
