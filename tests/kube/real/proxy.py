"""A line to the API server that can be cut, frozen, and cut within a record."""

import asyncio
import math
from contextlib import suppress


class Proxy:
    """Carries bytes between clients and one server."""

    def __init__(self, host: str, port: str) -> None:
        self.host = host
        self._target = (host, int(port))
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._left = math.inf
        self._server: asyncio.Server | None = None
        self._serving = 0
        self.port = 0

    async def start(self) -> None:
        """Listen beside the server, where its certificate is good for too."""
        self._server = await asyncio.start_server(self._serve, self._target[0], 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything, for good."""
        assert self._server
        self._server.close()
        self.thaw()
        while self._serving:
            self.cut()
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """End all connections as a crashed machine does: by a reset."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_within(self, count: int) -> None:
        """Let so many bytes more come from the server, then cut."""
        self._left = count

    def freeze(self) -> None:
        """Carry nothing any more, with all connections open."""
        self._open.clear()

    def thaw(self) -> None:
        """Go on."""
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving += 1
        try:
            await self._connect(reader, writer)
        finally:
            self._serving -= 1

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, ours}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, ours))
                group.create_task(self._carry(theirs, writer, counted=True))
        finally:
            self._writers -= pair

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                if counted and len(data) > self._left:
                    writer.write(data[: int(self._left)])
                    await writer.drain()
                    self._left = math.inf
                    self.cut()
                    return
                self._left -= len(data) if counted else 0
                writer.write(data)
                await writer.drain()
        writer.close()
