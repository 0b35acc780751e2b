"""An HTTP/2 client for many requests at once, which remembers when each was answered.

For benchmarks and for the tests with thousands of parked requests; one connection carries many
streams, so that the load is not one of connections.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

STREAMS_PER_CONNECTION = 100
"""Envoy's default limit, and a browser's."""
LOST = 0
"""The status of a request whose stream or connection was cut."""


@dataclass(slots=True)
class Response:
    """One request's answer: when it came (monotonic seconds), what it said."""

    status: int = LOST
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent_at: float = 0.0
    answered_at: float = 0.0


class Connection(asyncio.Protocol):
    """One HTTP/2 connection; its streams are requests of one batch each."""

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._open: dict[int, tuple[Response, asyncio.Future[Response]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a window wide enough that no answer waits for it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24})
        self._h2.increment_flow_control_window(1 << 28)
        self._flush()

    def request(
        self, path: str, headers: Sequence[tuple[str, str]], authority: str = "bench"
    ) -> asyncio.Future[Response]:
        """Send a GET request; the future is its answer, even if there is none."""
        loop = asyncio.get_running_loop()
        stream = self._h2.get_next_available_stream_id()
        target = [(":scheme", "http"), (":authority", authority), (":path", path)]
        self._h2.send_headers(stream, [(":method", "GET"), *target, *headers], end_stream=True)
        answer: asyncio.Future[Response] = loop.create_future()
        self._open[stream] = (Response(sent_at=loop.time()), answer)
        self._flush()
        return answer

    def data_received(self, data: bytes) -> None:
        """Sort what came by request."""
        for event in self._h2.receive_data(data):
            if isinstance(event, ResponseReceived):
                response, _ = self._open[event.stream_id]
                fields = {str(name): str(value) for name, value in event.headers}
                response.status = int(fields.pop(":status"))
                response.headers = fields
            elif isinstance(event, DataReceived):
                self._open[event.stream_id][0].body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded | StreamReset):
                self._end(event.stream_id, lost=isinstance(event, StreamReset))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything that was open is lost."""
        del exc
        for stream in list(self._open):
            self._end(stream, lost=True)

    def close(self) -> None:
        """Drop the connection with all that is open on it."""
        if self._transport:
            self._transport.abort()

    def _end(self, stream: int, *, lost: bool) -> None:
        response, answer = self._open.pop(stream)
        if lost:
            response.status = LOST
        response.answered_at = asyncio.get_running_loop().time()
        if not answer.done():
            answer.set_result(response)

    def _flush(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())


class Crowd:
    """Requests at once, over as many connections as they need."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._answers: list[asyncio.Future[Response]] = []

    async def send(  # noqa: PLR0913 - what a request may differ in
        self,
        port: int,
        count: int,
        path: str = "/",
        headers: Sequence[tuple[str, str]] = (),
        *,
        address: str = "127.0.0.1",
        authority: str = "bench",
    ) -> None:
        """Send the requests to an address of this machine; does not wait for answers."""
        loop = asyncio.get_running_loop()
        for first in range(0, count, STREAMS_PER_CONNECTION):
            _, connection = await loop.create_connection(Connection, address, port)
            self.connections.append(connection)
            self._answers += [
                connection.request(path, headers, authority)
                for _ in range(min(STREAMS_PER_CONNECTION, count - first))
            ]

    async def answers(self) -> list[Response]:
        """Wait for all the answers."""
        return await asyncio.gather(*self._answers)

    async def statuses(self) -> Counter[int]:
        """Wait for all the answers and count them by status; 0 is a lost request."""
        return Counter(response.status for response in await self.answers())

    def close(self) -> None:
        """Drop all connections with what is open on them."""
        for connection in self.connections:
            connection.close()
