"""The hold server's end of the feed.

Must not know who listens.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import grpc

from feed.board import HoldName, Share
from feed.feed_pb2 import HoldDemand, Report, WatchRequest

SERVICE = "layby.feed.v1.DemandFeed"
LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0

Context = grpc.aio.ServicerContext[WatchRequest, Report]


class FeedService:
    """Tells whoever asks about the demand here.

    Args:
        shares: what is known now.
    """

    def __init__(self, shares: Callable[[], Mapping[HoldName, Share]]) -> None:
        self._shares = shares
        self._began_at = asyncio.get_running_loop().time()
        self._closing = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        watch = grpc.unary_stream_rpc_method_handler(
            self.watch,
            request_deserializer=WatchRequest.FromString,
            response_serializer=Report.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Watch": watch})

    async def watch(self, _request: WatchRequest, _context: Context) -> AsyncIterator[Report]:
        """Serve one listener (layby.feed.v1.DemandFeed.Watch)."""
        clock = asyncio.get_running_loop().time
        said: Mapping[HoldName, Share] | None = None
        said_at = 0.0
        while not self._closing.is_set():
            shares = self._shares()
            if shares != said or clock() - said_at >= HEARTBEAT_SECONDS:
                said, said_at = shares, clock()
                yield self._report(shares, said_at)
            await _wait(self._closing, LOOK_SECONDS)

    def close(self) -> None:
        """End every stream with OK, so that listeners come back at once."""
        self._closing.set()

    def _report(self, shares: Mapping[HoldName, Share], now: float) -> Report:
        return Report(
            account_age_seconds=now - self._began_at,
            holds=[
                HoldDemand(
                    namespace=hold.namespace,
                    name=hold.name,
                    pending=share.pending,
                    in_flight=share.in_flight,
                    rate=share.rate,
                    last_request_age_seconds=now - share.last_request,
                )
                for hold, share in shares.items()
                if share.last_request is not None
            ],
        )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
