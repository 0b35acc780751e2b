"""The open streams of access logs, of which there are no more than so many.

Must not know what they carry.
"""

import asyncio
import logging

from telemetry.seldom import Seldom

log = logging.getLogger(__name__)


class LogStreams:
    """Streams in the order in which they were last heard.

    Each is a future that is done when the stream is to end.

    Args:
        most: how many may be open. For one more the one that has been silent longest ends: an Envoy
            opens the next one with its next entry, while a server that took no more would not hear
            of requests.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[asyncio.Future[None], None] = {}
        self._closing = False
        self._too_many = Seldom(
            log,
            "%d streams of access logs are open, and no more may be: for each new one, that which "
            "was silent longest is ended",
        )

    def __len__(self) -> int:
        return len(self._open)

    def opened(self) -> asyncio.Future[None]:
        """Count a stream in."""
        stream: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._open) >= self._most:
            silent = next(iter(self._open))
            self.ended(silent)
            _end(silent)
            self._too_many.warn(self._most)
        self._open[stream] = None
        if self._closing:
            _end(stream)
        return stream

    def heard(self, stream: asyncio.Future[None]) -> None:
        """It has said something."""
        if stream in self._open:
            self.ended(stream)
            self._open[stream] = None

    def ended(self, stream: asyncio.Future[None]) -> None:
        """It is over; being told twice is harmless."""
        self._open.pop(stream, None)

    def close(self) -> None:
        """End all of them, and all that come."""
        self._closing = True
        for stream in self._open:
            _end(stream)


def _end(stream: asyncio.Future[None]) -> None:
    if not stream.done():
        stream.set_result(None)
