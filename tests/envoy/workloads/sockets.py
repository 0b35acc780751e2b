"""A WebSocket server on loopback, port in `$PORT`, which SIGTERM ends at once.

It echoes, and `SECONDS:text` after so long.
"""

import asyncio
import os

from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Answer each message."""
    async for message in connection:
        if isinstance(message, str) and ":" in message:
            await asyncio.sleep(float(message.partition(":")[0]))
        await connection.send(message)


async def main() -> None:
    """Serve."""
    async with serve(echo, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()


asyncio.run(main())
