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
from feed.tokens import Tokens

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LONGEST_DETAILS = 500
"""Characters of what a hold server says."""
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
        tokens: whose first one hold servers are shown; None: they are shown nothing.
    """

    def __init__(
        self, board: Board, changed: Callable[[], None], tokens: Tokens | None = None
    ) -> None:
        self._board = board
        self._changed = changed
        self._tokens = tokens
        self._refused: dict[str, str] = {}
        """What the hold servers say that do not take the token, by address."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def refusal(self) -> str:
        """What a hold server says that does not take the token; empty if all do."""
        return next(iter(self._refused.values()), "")

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
            self._refused.pop(replica, None)
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
                    metadata = self._tokens.metadata() if self._tokens else ()
                    async for report in watch(WatchRequest(), metadata=metadata):
                        self._hear(replica, report)
                except grpc.aio.AioRpcError as error:
                    self._failed(replica, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _failed(self, replica: str, error: grpc.aio.AioRpcError) -> None:
        details = (error.details() or "")[:LONGEST_DETAILS]
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            log.debug("hold server %s: %s", replica, details)
        elif self._refused.get(replica) != details:
            # Once: it is asked again twice a second.
            log.warning("nothing is put to sleep: hold server %s says that %s", replica, details)
            self._refused[replica] = details

    def _hear(self, replica: str, report: Report) -> None:
        if self._refused.pop(replica, None) is not None:
            log.info("hold server %s takes the token", replica)
        now = asyncio.get_running_loop().time()
        shares, age = wire.shares_of(report, now), report.account_age_seconds
        self._board.hear(replica, shares, age, now, log_streams=report.log_streams)
        self._changed()
