"""The gRPC service that KEDA asks (externalscaler.ExternalScaler).

Must not know how demand is gathered, nor what a decision rests on.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from math import ceil
from typing import Never, TypeVar

import grpc

from extproc.scaler.decision import Doubt, Known, is_active, load
from extproc.scaler.gen.externalscaler_pb2 import (
    GetMetricSpecResponse,
    GetMetricsRequest,
    GetMetricsResponse,
    IsActiveResponse,
    MetricSpec,
    MetricValue,
    ScaledObjectRef,
)
from extproc.scaler.pushes import Demand, Pushes
from extproc.scaler.trigger import Measure, Trigger, TriggerError, hold_of
from feed.board import HoldName

SERVICE = "externalscaler.ExternalScaler"

Context = grpc.aio.ServicerContext[object, object]
Q = TypeVar("Q")
A = TypeVar("A")
ANSWERED, REFUSED = "answered", "refused"

_STATUS = {
    Doubt.UNKNOWN: grpc.StatusCode.NOT_FOUND,
    Doubt.INCOMPLETE: grpc.StatusCode.UNAVAILABLE,
}


class ScalerService:
    """Answers KEDA.

    Args:
        demand: the demand for each hold.
        is_held: whether there is such a TrafficHold.
    """

    def __init__(self, demand: Demand, is_held: Callable[[HoldName], bool]) -> None:
        self._demand = demand
        self._is_held = is_held
        self._pushes = Pushes(demand)
        self.streams = 0
        """How many of KEDA's streams are open."""
        self.calls: Counter[tuple[str, str]] = Counter()
        """How often each method was answered or refused."""

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "IsActive": grpc.unary_unary_rpc_method_handler(
                    self._counted("IsActive", self.is_active),
                    request_deserializer=ScaledObjectRef.FromString,
                    response_serializer=IsActiveResponse.SerializeToString,
                ),
                "StreamIsActive": grpc.unary_stream_rpc_method_handler(
                    self.stream_is_active,
                    request_deserializer=ScaledObjectRef.FromString,
                    response_serializer=IsActiveResponse.SerializeToString,
                ),
                "GetMetricSpec": grpc.unary_unary_rpc_method_handler(
                    self._counted("GetMetricSpec", self.get_metric_spec),
                    request_deserializer=ScaledObjectRef.FromString,
                    response_serializer=GetMetricSpecResponse.SerializeToString,
                ),
                "GetMetrics": grpc.unary_unary_rpc_method_handler(
                    self._counted("GetMetrics", self.get_metrics),
                    request_deserializer=GetMetricsRequest.FromString,
                    response_serializer=GetMetricsResponse.SerializeToString,
                ),
            },
        )

    def close(self) -> None:
        """End every stream with OK: only then does KEDA come back soon."""
        self._pushes.close()

    async def is_active(self, request: ScaledObjectRef, context: Context) -> IsActiveResponse:
        """Say whether the workload is to run."""
        trigger = await _trigger(request, context)
        now = asyncio.get_running_loop().time()
        active = is_active(
            self._known(trigger.hold), polling_interval=trigger.polling_interval, now=now
        )
        if isinstance(active, Doubt):
            await _refuse(active, trigger.hold, context)
        return IsActiveResponse(result=active)

    async def stream_is_active(
        self, request: ScaledObjectRef, context: Context
    ) -> AsyncIterator[IsActiveResponse]:
        """Say when somebody waits for the workload.

        A hold that is not known is followed all the same: it may be about to come, and KEDA would
        come back later and later.
        """
        hold = hold_of(request.name, request.namespace, request.scalerMetadata)
        # There may be nothing to say for hours, and a stream without headers looks like one that
        # was never taken.
        await context.send_initial_metadata(())
        self.streams += 1
        try:
            async for active in self._pushes.follow(hold):
                yield IsActiveResponse(result=active)
        finally:
            self.streams -= 1

    async def get_metric_spec(
        self, request: ScaledObjectRef, context: Context
    ) -> GetMetricSpecResponse:
        """Say what to scale by. Needs no demand: without an answer KEDA makes no autoscaler."""
        trigger = await _trigger(request, context)
        spec = MetricSpec(
            metricName=trigger.measure.value,
            targetSize=ceil(trigger.target),
            targetSizeFloat=trigger.target,
        )
        return GetMetricSpecResponse(metricSpecs=[spec])

    async def get_metrics(self, request: GetMetricsRequest, context: Context) -> GetMetricsResponse:
        """Say how much load there is."""
        trigger = await _trigger(request.scaledObjectRef, context)
        # The autoscaler may still go by the other measure, if the target has just been changed.
        asked = {measure.value: measure for measure in Measure}.get(request.metricName)
        value = load(self._known(trigger.hold), asked or trigger.measure)
        if isinstance(value, Doubt):
            await _refuse(value, trigger.hold, context)
        metric = MetricValue(
            metricName=request.metricName or trigger.measure.value,
            metricValue=ceil(value),
            metricValueFloat=value,
        )
        return GetMetricsResponse(metricValues=[metric])

    def _counted(
        self, method: str, behavior: Callable[[Q, Context], Awaitable[A]]
    ) -> Callable[[Q, Context], Awaitable[A]]:
        async def answer(request: Q, context: Context) -> A:
            try:
                response = await behavior(request, context)
            except grpc.aio.AbortError:
                self.calls[method, REFUSED] += 1
                raise
            self.calls[method, ANSWERED] += 1
            return response

        return answer

    def _known(self, hold: HoldName) -> Known:
        return Known(self._demand.total(hold), self._is_held(hold), self._demand.complete())


async def _trigger(request: ScaledObjectRef, context: Context) -> Trigger:
    try:
        return Trigger.parse(request.name, request.namespace, request.scalerMetadata)
    except TriggerError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def _refuse(doubt: Doubt, hold: HoldName, context: Context) -> Never:
    await context.abort(_STATUS[doubt], doubt.value.format(hold="/".join(hold)))
