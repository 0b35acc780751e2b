"""`/metrics` over HTTP, for Prometheus.

Owns the path. Must not know what is measured.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from telemetry.apart import apart
from telemetry.exposition import Exposition
from telemetry.store import Reading

PATH = "/metrics"


@asynccontextmanager
async def serve(host: str, port: int, read: Callable[[], list[Reading]]) -> AsyncIterator[int]:
    """Serve what `read` returns, which is called in the event loop's thread; yield the port.

    Raises:
        OSError: the address is taken.
    """
    exposition = Exposition()

    async def tell(request: web.Request) -> web.Response:
        readings, accept = read(), request.headers.get(hdrs.ACCEPT, "")
        # Thousands of series take half a second to write, for which no request shall wait.
        page = await apart(lambda: exposition.page(readings, accept), "metrics page")
        return web.Response(body=page.body, headers={hdrs.CONTENT_TYPE: page.content_type})

    app = web.Application()
    app.add_routes([web.get(PATH, tell)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
