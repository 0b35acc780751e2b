"""Hold servers that listeners can be pointed at: real gRPC, on a real port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from feed.feed_pb2 import HoldDemand, Report, WatchRequest
from feed.service import SERVICE, FeedService

OLD = 60.0
"""Seconds that make an account old enough to be whole."""


def report(name: str = "cart", *, age: float = OLD, **demand) -> Report:
    """Make a report about one hold."""
    return Report(
        account_age_seconds=age,
        holds=[HoldDemand(namespace="shop", name=name, **demand)],
        log_streams=1,
    )


def nothing(*, age: float = OLD, log_streams: int = 1) -> Report:
    """Make a report about no hold."""
    return Report(account_age_seconds=age, log_streams=log_streams)


class ScriptedFeed:
    """Says what the test says, to each listener."""

    def __init__(self, age: float = OLD) -> None:
        self.streams = 0
        self._report = nothing(age=age)
        self._changed = asyncio.Event()

    def say(self, report: Report) -> None:
        """Report something else from now on."""
        self._report = report
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def watch(self, _request: WatchRequest, _context: object) -> AsyncIterator[Report]:
        """Serve one listener."""
        self.streams += 1
        try:
            while True:
                changed = self._changed
                yield self._report
                await changed.wait()
        finally:
            self.streams -= 1

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        watch = grpc.unary_stream_rpc_method_handler(
            self.watch,
            request_deserializer=WatchRequest.FromString,
            response_serializer=Report.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Watch": watch})


@asynccontextmanager
async def serving(feed: ScriptedFeed | FeedService, port: int = 0) -> AsyncIterator[int]:
    """Serve a feed, and have its port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((feed.handler(),))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)
