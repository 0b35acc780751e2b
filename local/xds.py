"""Endpoint discovery for the local Envoy: an ADS server that knows one type, EDS.

Owns which endpoints each cluster has, and the streams that carry them.
Must not know processes, health or the hold server.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

import grpc
import grpc.aio
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse

from istio.address import TcpAddress
from local.subscription import UNKNOWN, Assignment, Subscription

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class EndpointDiscovery:
    """Tell every connected Envoy the endpoints of each cluster it asks for."""

    def __init__(self, *, delay: float = 0.0) -> None:
        """Push each change `delay` seconds after it was made, as a debouncing istiod would."""
        self._delay = delay
        self._desired: dict[str, Assignment] = {}
        self._unpublished: deque[tuple[str, Assignment]] = deque()
        self._published: Mapping[str, Assignment] = {}
        self._published_version = 0
        self._streams: dict[Subscription, asyncio.Event] = {}
        self._progress = asyncio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<EndpointDiscovery version={self._published_version} {list(self._streams)}>"

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the gRPC handler of the aggregated discovery service."""
        method = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=DiscoveryRequest.parse,
            response_serializer=bytes,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"StreamAggregatedResources": method})

    def set_endpoints(self, cluster: str, addresses: Sequence[tuple[str, int]]) -> int:
        """Make `addresses` all the endpoints of `cluster`; return the version that has them."""
        endpoints = tuple(TcpAddress(*address) for address in addresses)
        current = self._desired.get(cluster, UNKNOWN)
        if current.endpoints == endpoints:
            return current.version
        latest = self._published_version + len(self._unpublished)
        desired = self._desired[cluster] = Assignment(latest + 1, endpoints)
        self._unpublished.append((cluster, desired))
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._publish)
        else:
            self._publish()
        return desired.version

    async def applied(self, version: int) -> None:
        """Return once every connected Envoy has accepted `version` or a later one.

        With no Envoy connected there is none to wait for. One that has connected and not asked
        for endpoints yet is waited for.
        """
        while any(subscription.accepted < version for subscription in self._streams):
            await self._progress.wait()

    def close(self) -> None:
        """End every stream, and any that opens later, with OK."""
        self._closed = True
        self._wake_streams()

    def _publish(self) -> None:
        # The oldest change, whichever timer fired: timers of one instant come in any order.
        cluster, assignment = self._unpublished.popleft()
        self._published = {**self._published, cluster: assignment}
        self._published_version = assignment.version
        self._wake_streams()

    def _wake_streams(self) -> None:
        for wake in self._streams.values():
            wake.set()

    async def _serve(
        self,
        requests: AsyncIterator[DiscoveryRequest],
        context: grpc.aio.ServicerContext[DiscoveryRequest, DiscoveryResponse],
    ) -> None:
        subscription, wake = Subscription(), asyncio.Event()
        self._streams[subscription] = wake
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(_read(requests, subscription, wake), name="xds-reader")
                while not self._closed and not reader.done():
                    while (response := self._response(subscription)) is not None:
                        await context.write(response)
                    self._report_progress()
                    await wake.wait()
                    wake.clear()
                reader.cancel()
        finally:
            del self._streams[subscription]
            self._report_progress()

    def _response(self, subscription: Subscription) -> DiscoveryResponse | None:
        return subscription.respond(self._published, self._published_version)

    def _report_progress(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()


async def _read(
    requests: AsyncIterator[DiscoveryRequest], subscription: Subscription, wake: asyncio.Event
) -> None:
    try:
        async for request in requests:
            subscription.receive(request)
            wake.set()
    finally:
        wake.set()
