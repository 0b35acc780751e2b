"""Health over HTTP, for the kubelet.

Owns the two paths. Must not know what makes a controller ready.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def health(host: str, port: int, ready: Callable[[], bool]) -> AsyncIterator[int]:
    """Serve `/healthz`, which answers while the event loop turns, and `/readyz`; yield the port."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def tell(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(status=503, text="not yet\n")

    app = web.Application()
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", tell)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
