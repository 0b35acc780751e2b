"""The access-log service: from Envoy's log entries to the demand for each workload.

Must not know what demand decides.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, assert_never

import grpc

from extproc.core.demand import Demand, DemandWindow, keep_bound
from extproc.core.probe import match_probe
from extproc.core.workload import Workload, WorkloadKey
from extproc.log_streams import LogStreams
from extproc.wire.access_log import LONGEST_MESSAGE, SERVICE, Entry, Moment, parse
from telemetry.seldom import Seldom

MOST_STREAMS = 5_000
"""Streams open at once, of which each worker of each Envoy has one; 26 kB of memory each."""
MOST_OPEN = 200_000
"""Open requests remembered, of all workloads together; 250 B of memory each. To hear of so many
takes half a core: Envoys name each of them every 5 s."""
AT_ONCE = 64
"""Entries taken in before whoever is parked has a turn: half a millisecond's work."""
LAST_WORDS = 0.05
"""Seconds for what gRPC has received of a stream that is to end: enough for a turn or two."""
LAST_MESSAGES = 16
"""How many of these are read: 16 KiB each, if they are Envoy's, and more than it has on its way."""

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[object, bytes]


class AccessLog:
    """Receives access logs and keeps each workload's demand window.

    Args:
        find: the workload behind an Envoy cluster name, if it is managed.
        most_streams: streams that may be open at once.
        most_open: open requests that are remembered at once.
    """

    def __init__(
        self,
        find: Callable[[str], WorkloadKey | None],
        *,
        most_streams: int = MOST_STREAMS,
        most_open: int = MOST_OPEN,
    ) -> None:
        self._find = find
        self._most_open = most_open
        self._left = AT_ONCE
        """Entries that may be taken in before all else has a turn."""
        self._workloads: Mapping[WorkloadKey, Workload] = {}
        self._windows: dict[WorkloadKey, DemandWindow] = {}
        self._streams = LogStreams(most_streams)
        self._turn = asyncio.Lock()
        self._too_long = Seldom(
            log,
            "left out an access log message of %d bytes, of which Envoy sends none by itself: is "
            "max_request_headers_kb set, or is it no Envoy?",
        )
        self.streams = 0
        """How many streams Envoys have opened. They do so with their first entry."""

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""
        receive: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self.receive
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"StreamAccessLogs": receive})

    def replace(self, workloads: Mapping[WorkloadKey, Workload]) -> None:
        """Take the whole new set of workloads; windows of those that stay go on."""
        now = asyncio.get_running_loop().time()
        self._workloads = workloads
        self._windows = {key: self._windows.get(key) or DemandWindow(now) for key in workloads}

    def asked(self, key: WorkloadKey) -> None:
        """A request for the workload came to be parked."""
        if window := self._windows.get(key):
            window.asked(asyncio.get_running_loop().time())

    def demand(self, key: WorkloadKey, pending: int) -> Demand:
        """The demand for a managed workload, of whose requests `pending` are parked."""
        return self._windows[key].read(pending, asyncio.get_running_loop().time())

    def touched(self) -> Iterator[WorkloadKey]:
        """The workloads for which there has been any demand."""
        return (key for key, window in self._windows.items() if window.touched)

    async def receive(self, _messages: object, context: Context) -> bytes:
        """Serve one stream (envoy.service.accesslog.v3.AccessLogService.StreamAccessLogs)."""
        stream = self._streams.opened()
        self.streams += 1
        left = LAST_MESSAGES
        try:
            while left and isinstance(message := await _next(context.read(), stream), bytes):
                left -= stream.done()
                self._streams.heard(stream)
                if len(message) <= LONGEST_MESSAGE:
                    await self._take_in(parse(message))
                else:
                    self._too_long.warn(len(message))
                # The next one may be long in coming.
                del message
        finally:
            self._streams.ended(stream)
        return b""

    def close(self) -> None:
        """End every stream with OK: a drain would otherwise wait for Envoys to end them."""
        self._streams.close()

    async def _take_in(self, entries: Iterator[Entry | None]) -> None:
        """Count the entries of a message.

        The lock is no more than a line to stand in: however many streams have however much to say,
        one of them at a time has a turn, and after so many entries all else has one.
        """
        while True:
            async with self._turn:
                now = asyncio.get_running_loop().time()
                for entry in islice(entries, self._left):
                    if entry:
                        self._count(entry, now)
                    self._left -= 1
                if self._left:
                    # A message without any takes time too.
                    self._left -= 1
                    return
                self._left = AT_ONCE
                keep_bound(self._windows.values(), self._most_open)
                await asyncio.sleep(0)

    def _count(self, entry: Entry, now: float) -> None:
        key = self._find(entry.cluster)
        if key is None or key not in self._workloads:
            return
        if match_probe(self._workloads[key].probes, entry.request):
            return
        window = self._windows[key]
        match entry.moment:
            case Moment.STARTED:
                window.started(entry.stream, now)
            case Moment.CONTINUED:
                window.continued(entry.stream, now)
            case Moment.ENDED:
                window.ended(entry.stream, now)
            case _:
                assert_never(entry.moment)


async def _next(reading: Awaitable[object], closing: asyncio.Future[Any]) -> object:
    """What was read, or None if closing came, and nothing was there to be read."""
    read = asyncio.ensure_future(reading)
    try:
        await asyncio.wait((read, closing), return_when=asyncio.FIRST_COMPLETED)
        if not read.done():
            await asyncio.wait((read,), timeout=LAST_WORDS)
        return read.result() if read.done() else None
    finally:
        read.cancel()
