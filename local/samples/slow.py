"""A small HTTP server that takes its time to start: `python slow.py SECONDS`, port in `$PORT`.

It answers every request with its own age, and on SIGTERM finishes what it is at.
"""

import asyncio
import os
import signal
import sys
import time

BORN = time.monotonic()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while (head := await reader.readuntil(b"\r\n\r\n")) and not reader.at_eof():
            age = time.monotonic() - BORN
            body = f"{head.split(b' ', 2)[1].decode()} from a process {age:.2f} s old\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Wait, serve, and stop on SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await asyncio.sleep(float(sys.argv[1]))
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=4096)
    await stopping.wait()
    server.close()


asyncio.run(main())
