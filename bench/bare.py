"""A gRPC server that does no more than park: what a hold server is to be compared with."""

import asyncio

import grpc

from extproc.server import Server
from extproc.wire.ext_proc import CONTINUE, SERVICE

Context = grpc.aio.ServicerContext[object, bytes]


class Bare:
    """Reads each stream's message, waits, and lets all go at once: nothing is decided.

    It has as much of a hold server's surface as `bench.replica` needs of one, and of its throttler.
    """

    def __init__(self) -> None:
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self._process
        )
        services = grpc.method_handlers_generic_handler(SERVICE, {"Process": handler})
        self._server = Server([services])
        self._released = asyncio.Event()
        self._empty = asyncio.Event()
        self._waiting = 0

    @property
    def throttler(self) -> "Bare":
        """It is one."""
        return self

    async def start(self, address: str) -> int:
        """Serve on `host:port`; return the port."""
        port = self._server.listen(address)
        await self._server.start()
        return port

    async def ready(self) -> None:
        """Nothing need be known."""
        await self._server.serving(ready=True)

    async def drain(self, patience: float, **_: object) -> None:
        """End after `patience` seconds at most."""
        self._released.set()
        await self._server.stop(patience)

    def pending(self) -> int:
        """How many streams wait."""
        return self._waiting

    def endpoints_changed(self, _key: object, ready: int) -> None:
        """Let everybody go, if there is any endpoint."""
        if ready:
            self._released.set()

    def start_failed(self, *_: object) -> None:
        """Let everybody go all the same."""
        self._released.set()

    async def emptied(self, patience: float) -> None:
        """Wait until nobody waits; `patience` seconds at most."""
        async with asyncio.timeout(patience):
            await self._empty.wait()

    async def _process(self, _messages: object, context: Context) -> bytes:
        await context.read()
        self._waiting += 1
        try:
            await self._released.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._empty.set()
        return CONTINUE
