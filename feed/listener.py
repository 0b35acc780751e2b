"""The listening end of the feed: one stream to each hold server there is.

Must not know what the sum decides.
"""

import asyncio
import logging
from collections.abc import Callable, Collection

import grpc

from feed import wire
from feed.board import Board
from feed.feed_pb2 import Report, WatchRequest
from feed.service import SERVICE

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
OPTIONS = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 1_000),
    # A pod has its address long before it listens, and gRPC would wait two minutes between tries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # That is how long it waits for a connection, of which there is no word from a node that died.
    ("grpc.min_reconnect_backoff_ms", 2_000),
)


class Listener:
    """Keeps a board current.

    Args:
        board: the sum.
        changed: called after each report.
    """

    def __init__(self, board: Board, changed: Callable[[], None]) -> None:
        self._board = board
        self._changed = changed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the streams until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await asyncio.Event().wait()

    def expect(self, replicas: Collection[str]) -> None:
        """These addresses (`host:port`) are the hold servers there are."""
        self._board.expect(replicas, asyncio.get_running_loop().time())
        for replica in self._tasks.keys() - set(replicas):
            self._tasks.pop(replica).cancel()
        for replica in set(replicas) - self._tasks.keys():
            if self._group:
                task = self._group.create_task(self._listen(replica), name=f"feed {replica}")
                self._tasks[replica] = task
        self._changed()

    async def _listen(self, replica: str) -> None:
        async with grpc.aio.insecure_channel(replica, options=OPTIONS) as channel:
            watch: grpc.aio.UnaryStreamMultiCallable[WatchRequest, Report] = channel.unary_stream(
                f"/{SERVICE}/Watch",
                request_serializer=WatchRequest.SerializeToString,
                response_deserializer=Report.FromString,
            )
            while True:
                try:
                    async for report in watch(WatchRequest()):
                        self._hear(replica, report)
                except grpc.aio.AioRpcError as error:
                    log.debug("hold server %s: %s", replica, error.details())
                await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, replica: str, report: Report) -> None:
        now = asyncio.get_running_loop().time()
        shares, age = wire.shares_of(report, now), report.account_age_seconds
        self._board.hear(replica, shares, age, now, log_streams=report.log_streams)
        self._changed()
