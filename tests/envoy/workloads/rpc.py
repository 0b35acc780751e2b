"""A gRPC server on loopback, port in `$PORT`, which SIGTERM ends at once.

/test.Echo/Say answers with its request; /test.Echo/Count streams each byte of its request, and
leaves a pause between two of them.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import grpc

PAUSE_SECONDS = 0.1

Context = grpc.aio.ServicerContext[bytes, bytes]


async def say(request: bytes, _context: Context) -> bytes:
    """Echo."""
    return request


async def count(request: bytes, _context: Context) -> AsyncIterator[bytes]:
    """Stream."""
    for number in request:
        yield bytes([number])
        await asyncio.sleep(PAUSE_SECONDS)


async def main() -> None:
    """Serve."""
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Count": grpc.unary_stream_rpc_method_handler(count),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
