"""The ext_proc service: one stream, one parked request, one answer.

Reads the request headers, asks the throttler, says what it said. Must not know what is decided
or why.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

import grpc

from extproc.answer import answer
from extproc.core.outcome import Outcome
from extproc.core.probe import Request
from extproc.core.workload import Chance, WorkloadKey
from extproc.throttler import Throttler
from extproc.waiting import happens
from extproc.wire.ext_proc import (
    CONTINUE,
    PASS,
    SERVICE,
    ProtocolError,
    immediate,
    parse,
    trace,
)
from istio.contract import CHANCE_METADATA, CHANCES_METADATA
from telemetry.seldom import Seldom

log = logging.getLogger(__name__)

FIRST_MESSAGE_SECONDS = 10.0
KNOWN_WITHIN_SECONDS = 5.0
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
"""gRPC metadata by which an Envoy that traces says which span of its own this call is."""

_CHANCES = frozenset("123456789")
"""As junk must not become a number that no sum survives."""

Context = grpc.aio.ServicerContext[object, bytes]


class Processor:
    """Answers Envoy's hold filters.

    A parked stream gets no message before its answer: Envoy's retry policy moves a stream without
    a response to another hold server when this one dies, and only such a stream.

    Args:
        find: the workload behind an Envoy cluster name, if it is managed.
        asked: told of each request for a workload that was no probe.
        known: set once it is known which workloads are managed. Until then, requests wait for
            that, a few seconds at most: one that is let go to a workload at zero is lost.
    """

    def __init__(
        self,
        throttler: Throttler,
        find: Callable[[str], WorkloadKey | None],
        asked: Callable[[WorkloadKey], None],
        known: asyncio.Event,
    ) -> None:
        self._throttler = throttler
        self._find = find
        self._asked = asked
        self._known = known
        self._handing_over = False
        self._bad_stream = Seldom(log, "bad ext_proc stream from %s: %s")

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        process: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self.process
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Process": process})

    def hand_over(self) -> None:
        """Give parked streams, and all that come, to another hold server, by failing them."""
        self._handing_over = True

    async def process(self, _messages: object, context: Context) -> bytes:
        """Serve one stream (envoy.service.ext_proc.v3.ExternalProcessor.Process)."""
        message = await _read(context)
        if not isinstance(message, bytes):
            return await self._refuse(context, "the stream ended before its first message")
        try:
            arrival = parse(message)
        except ProtocolError as error:
            return await self._refuse(context, str(error))
        if not self._known.is_set():
            await happens(self._known, KNOWN_WITHIN_SECONDS)
        key = self._find(arrival.cluster)
        if key is None:
            # Another hold server, or the next chance, may know it: this one knows nothing yet.
            return PASS if self._known.is_set() else CONTINUE
        request, style = arrival.request, arrival.style
        # Thousands of these frames live for minutes.
        del message, arrival
        clock = asyncio.get_running_loop().time
        arrived = clock()
        chance, request = _introduced(context, request)
        holding = self._throttler.hold(key, request, chance)
        # As is the path of each, and what else was sent with it, unless it is a trace's.
        del request
        try:
            verdict = await holding
        except asyncio.CancelledError:
            # Its client has left, and will not have been the last one to want the workload.
            self._asked(key)
            raise
        if verdict.outcome is not Outcome.PROBED:
            self._asked(key)
        if verdict.outcome is Outcome.DRAINED and self._handing_over:
            # Aborting sends nothing but a status, which Envoy's retry policy takes elsewhere; a
            # status that is set comes after an empty message, which costs the request a chance.
            await context.abort(grpc.StatusCode.UNAVAILABLE, verdict.detail)
        if verdict.outcome is Outcome.UNMANAGED:
            return PASS
        refusal = answer(verdict, style, clock() - arrived)
        return immediate(refusal) if refusal else CONTINUE

    async def _refuse(self, context: Context, problem: str) -> NoReturn:
        peer = context.peer()
        # The port is another one for each connection.
        self._bad_stream.warn(peer, problem, of=peer.rpartition(":")[0])
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)


async def _read(context: Context) -> object:
    """The first message; Envoy sends it with the stream itself."""
    try:
        async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
            return await context.read()
    except TimeoutError:
        return None


def _introduced(context: Context, request: Request) -> tuple[Chance, Request]:
    """Return which chance asks; and the request, in the trace of the call if that has one."""
    number, total, parent, state = "1", "1", "", ""
    for name, value in context.invocation_metadata() or ():
        if name == CHANCE_METADATA:
            number = str(value)
        elif name == CHANCES_METADATA:
            total = str(value)
        elif name == TRACEPARENT:
            parent = str(value)
        elif name == TRACESTATE:
            state = str(value)
    parent, state = trace(parent, state)
    if parent:
        request = request._replace(traceparent=parent, tracestate=state)
    if number in _CHANCES and total in _CHANCES:
        return Chance(int(number), int(total)), request
    return Chance(), request
