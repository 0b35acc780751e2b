"""An HTTP/1.1 server on loopback, port in `$PORT`: `python web.py [--abrupt] [--open-when FILE]`.

It listens once the file is there, and on SIGTERM finishes what it is at unless it is abrupt. Paths:
/headers        the request's headers as a JSON list
/upload         the SHA-256 of the request's body
/events?n=&every=   so many server-sent events, so many seconds apart
/large?bytes=   so many bytes
/finish?begun=&when=   makes one file, and answers once the other is there
/pause?seconds= answers later
/               "ok", and the process's number
"""

import asyncio
import hashlib
import json
import os
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LOOK_SECONDS = 0.01

Headers = list[tuple[str, str]]


class Connection:
    """One connection's requests, one after the other."""

    busy = 0
    """Requests being answered, of all connections."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def serve(self) -> None:
        """Answer until the client leaves."""
        try:
            while True:
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                Connection.busy += 1
                try:
                    await self._answer(head)
                    await self._writer.drain()
                finally:
                    Connection.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()

    async def _answer(self, head: str) -> None:
        request, *lines = head.strip().split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        url = urlsplit(request.split(" ")[1])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match "/" + url.path.rpartition("/")[2]:
            case "/headers":
                self._reply(json.dumps(headers))
            case "/upload":
                self._reply(await self._digest(headers))
            case "/events":
                await self._events(int(query["n"]), float(query["every"]))
            case "/large":
                self._reply("x" * int(query["bytes"]))
            case "/finish":
                Path(query["begun"]).touch()  # noqa: ASYNC240 - a scratch file
                await exists(query["when"])
                self._reply("finished")
            case "/pause":
                await asyncio.sleep(float(query["seconds"]))
                self._reply("paused")
            case _:
                self._reply(f"ok {os.getpid()}")

    def _reply(self, body: str) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write((head + body).encode())

    async def _digest(self, headers: Headers) -> str:
        digest = hashlib.sha256()
        left = int(dict(headers)["content-length"])
        while left:
            data = await self._reader.read(min(left, 1 << 16))
            if not data:
                raise ConnectionError("the body ended early")
            digest.update(data)
            left -= len(data)
        return digest.hexdigest()

    async def _events(self, count: int, every: float) -> None:
        self._writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(count):
            await asyncio.sleep(every if number else 0)
            event = f"data: {number} {time.monotonic()} {os.getpid()}\n\n".encode()
            self._writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await self._writer.drain()
        self._writer.write(b"0\r\n\r\n")


async def exists(path: str) -> None:
    """Wait for a file."""
    while not Path(path).exists():  # noqa: ASYNC240 - one look
        await asyncio.sleep(LOOK_SECONDS)


async def main() -> None:
    """Serve until SIGTERM, then finish."""
    options = ArgumentParser()
    options.add_argument("--abrupt", action="store_true")
    options.add_argument("--open-when")
    chosen = options.parse_args()
    if chosen.open_when:
        await exists(chosen.open_when)
    stopping = asyncio.Event()
    if not chosen.abrupt:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = await asyncio.start_server(
        lambda *ends: Connection(*ends).serve(), "127.0.0.1", int(os.environ["PORT"]), backlog=1024
    )
    await stopping.wait()
    server.close()
    while Connection.busy:
        await asyncio.sleep(LOOK_SECONDS)


asyncio.run(main())
