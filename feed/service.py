"""The hold server's end of the feed.

Must not know who listens.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping

import grpc

from feed import wire
from feed.board import HoldName, Share
from feed.feed_pb2 import Report, WatchRequest
from feed.tokens import HEADER, Tokens
from telemetry.seldom import Seldom

SERVICE = "layby.feed.v1.DemandFeed"
LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
SHARED_SECONDS = LOOK_SECONDS / 2
"""For so long the listeners share one look: with a thousand holds it takes 6 ms of the event loop,
and every hold server and every controller listens."""
_ADVICE = (
    "the demand feed was opened with {}: name files that have a token in common by "
    "LAYBY_EXTPROC_FEED_TOKEN_FILE of all hold servers and LAYBY_CONTROLLER_FEED_TOKEN_FILE of all "
    "controllers"
)

Context = grpc.aio.ServicerContext[WatchRequest, Report]

log = logging.getLogger(__name__)


class FeedService:
    """Tells whoever asks about the demand here.

    Args:
        shares: what is known now.
        log_streams: how many streams of access logs Envoys have opened until now; of those that
            others told of, one is enough, so that it outlives who has heard them.
        tokens: what listeners have to show; None: nothing.
    """

    def __init__(
        self,
        shares: Callable[[], Mapping[HoldName, Share]],
        log_streams: Callable[[], int],
        tokens: Tokens | None = None,
    ) -> None:
        self._shares = shares
        self._log_streams = log_streams
        self._tokens = tokens
        self._refused = Seldom(log, "refused %s: %s")
        self._began_at = asyncio.get_running_loop().time()
        self._seen: tuple[float, Mapping[HoldName, Share]] | None = None
        self._closing = False
        self._news = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        watch = grpc.unary_stream_rpc_method_handler(
            self.watch,
            request_deserializer=WatchRequest.FromString,
            response_serializer=Report.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Watch": watch})

    async def watch(self, _request: WatchRequest, context: Context) -> AsyncIterator[Report]:
        """Serve one listener (layby.feed.v1.DemandFeed.Watch)."""
        if self._tokens is not None:
            await self._admit(self._tokens, context)
        clock = asyncio.get_running_loop().time
        said: Mapping[HoldName, Share] | None = None
        said_at = 0.0
        while not self._closing:
            news = self._news
            shares = self._shared(clock())
            if shares != said or clock() - said_at >= HEARTBEAT_SECONDS:
                said, said_at = shares, clock()
                age, streams = said_at - self._began_at, self._log_streams()
                yield wire.report(shares, age, said_at, log_streams=streams)
            await _wait(news, LOOK_SECONDS)

    def look(self) -> None:
        """Tell everybody now: what has just begun or ended cannot wait for the next look."""
        self._seen = None
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """End every stream with OK, so that listeners come back at once."""
        self._closing = True
        self.look()

    async def _admit(self, tokens: Tokens, context: Context) -> None:
        """Refuse who does not show one of the tokens. A stream that is open stays so."""
        metadata = tuple(context.invocation_metadata() or ())
        if tokens.accept(metadata):
            return
        shown = any(name == HEADER for name, _ in metadata)
        advice = _ADVICE.format("a token that is not known here" if shown else "no token")
        host = context.peer().rpartition(":")[0]
        self._refused.warn(host, advice, of=host)
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, advice)

    def _shared(self, now: float) -> Mapping[HoldName, Share]:
        if self._seen is None or now - self._seen[0] >= SHARED_SECONDS:
            self._seen = now, self._shares()
        return self._seen[1]


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
