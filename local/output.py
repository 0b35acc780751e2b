"""What a workload prints and how it ends, as the event loop reports it.

Owns cutting bytes into lines of bounded length, and the last of them. Must not know readiness,
signals or groups.
"""

import asyncio
import re
import signal
from collections import deque
from collections.abc import Callable
from enum import IntEnum

LONGEST_LINE = 4096
_KEPT_LINES = 20
_LONGEST_WORDS = 300
_FLUSH_SECONDS = 0.2
_BURST_BYTES = 32_768
_BREATH_SECONDS = 0.05
"""After each burst: a workload that prints without end must not take the hold server's time."""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Stream(IntEnum):
    """Where a line came from: the file descriptor."""

    STDOUT = 1
    STDERR = 2


Sink = Callable[[Stream, str], None]


class LineBuffer:
    """Cuts a stream of bytes into lines; the excess of a long one is dropped as it comes."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._overflow = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now."""
        *complete, rest = data.split(b"\n")
        lines = []
        for piece in complete:
            self._append(piece)
            lines.append(self._take())
        self._append(rest)
        return lines

    def flush(self) -> list[str]:
        """Return the last line if nothing ended it."""
        return [self._take()] if self._open else []

    def _append(self, piece: bytes) -> None:
        room = LONGEST_LINE - len(self._open)
        self._overflow = self._overflow or len(piece) > room
        self._open += piece[:room]

    def _take(self) -> str:
        text = self._open.decode(errors="replace").rstrip("\r")
        self._open.clear()
        overflow, self._overflow = self._overflow, False
        return f"{text}..." if overflow else text


class Output(asyncio.SubprocessProtocol):
    """Forwards a process's lines, and learns of its end; a protocol needs no task to read."""

    def __init__(self, sink: Sink, ended: Callable[[], None]) -> None:
        self.exited = asyncio.Event()
        """Set once it has ended, and its last words have been read."""
        self.ended_at = 0.0
        self._sink = sink
        self._on_end = ended
        self._loop = asyncio.get_running_loop()
        self._buffers = {stream: LineBuffer() for stream in Stream}
        self._tails = {stream: deque[str](maxlen=_KEPT_LINES) for stream in Stream}
        self._unread = set(Stream)
        self._transport: asyncio.SubprocessTransport | None = None

    def tail(self, stream: Stream) -> tuple[str, ...]:
        """Return the last lines, oldest first."""
        return tuple(self._tails[stream])

    def last_words(self) -> str:
        """Return the last line that says something, of standard error if there is any."""
        for stream in (Stream.STDERR, Stream.STDOUT):
            for line in reversed(self._tails[stream]):
                if words := _printable(line):
                    return words
        return ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to slow down its pipes."""
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """Cut what came into lines."""
        stream = Stream(fd)
        for line in self._buffers[stream].feed(data if isinstance(data, bytes) else data.encode()):
            self._forward(stream, line)
        if len(data) >= _BURST_BYTES:
            self._pause(fd)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        """Take a last line without an end."""
        stream = Stream(fd)
        for line in self._buffers[stream].flush():
            self._forward(stream, line)
        self._unread.discard(stream)
        if self.ended_at and not self._unread:
            self._finish()

    def process_exited(self) -> None:
        """Wait a little for the last words: a child of the process may keep the pipes open."""
        self.ended_at = self._loop.time()
        if not self._unread:
            self._finish()
        else:
            self._loop.call_later(_FLUSH_SECONDS, self._finish)

    def _pause(self, fd: int) -> None:
        pipe = self._transport.get_pipe_transport(fd) if self._transport else None
        if isinstance(pipe, asyncio.ReadTransport):
            pipe.pause_reading()
            self._loop.call_later(_BREATH_SECONDS, pipe.resume_reading)

    def _finish(self) -> None:
        if not self.exited.is_set():
            self.exited.set()
            self._on_end()

    def _forward(self, stream: Stream, line: str) -> None:
        self._tails[stream].append(line)
        self._sink(stream, line)


def ending(code: int) -> str:
    """Say how a process ended, from its exit code as Python has it."""
    return f"exited with code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _printable(line: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in _ESCAPE.sub("", line)).strip()
    return text if len(text) <= _LONGEST_WORDS else f"{text[:_LONGEST_WORDS]}..."
