"""A small HTTP server that takes its time to start: `python slow.py SECONDS`, port in `$PORT`.

It answers every request with its own age, and on SIGTERM finishes what it is at.
"""

import asyncio
import os
import signal
import sys
import time

BORN = time.monotonic()


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stopping: asyncio.Event
) -> None:
    """Answer the requests of one connection, until either side has had enough."""
    stopped = asyncio.create_task(stopping.wait())
    try:
        while head := await next_head(reader, stopped):
            age = time.monotonic() - BORN
            body = f"{head.split(b' ', 2)[1].decode()} from a process {age:.2f} s old\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        pass
    finally:
        stopped.cancel()
        writer.close()


async def next_head(reader: asyncio.StreamReader, stopped: asyncio.Task[bool]) -> bytes:
    """Wait for the head of a request; empty if there will be none for us."""
    head = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    await asyncio.wait({head, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if head.done():
        return head.result()
    head.cancel()
    return b""


async def main() -> None:
    """Wait, serve, and stop on SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        async with asyncio.timeout(float(sys.argv[1])):
            await stopping.wait()
    except TimeoutError:
        await listen(stopping)


async def listen(stopping: asyncio.Event) -> None:
    """Serve on `$PORT` until told to stop, then let each connection finish."""
    async with asyncio.TaskGroup() as connections:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.create_task(serve(reader, writer, stopping))

        port = int(os.environ["PORT"])
        server = await asyncio.start_server(accept, "127.0.0.1", port, backlog=4096)
        await stopping.wait()
        server.close()


asyncio.run(main())
