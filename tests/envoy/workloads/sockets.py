"""A WebSocket server on loopback, port in `$PORT`: it echoes, `SECONDS:text` after so long."""

import asyncio
import os
import signal

from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Answer each message."""
    async for message in connection:
        if isinstance(message, str) and ":" in message:
            await asyncio.sleep(float(message.partition(":")[0]))
        await connection.send(message)


async def main() -> None:
    """Serve until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with serve(echo, "127.0.0.1", int(os.environ["PORT"])):
        await stopping.wait()


asyncio.run(main())
