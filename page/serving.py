"""The page over HTTP: HTML, events, JSON, and its two assets.

Owns paths and headers. Must not know what is shown.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from importlib.resources import files
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web

from page.live import Live, UnavailableError
from page.snapshot import Snapshot

MOST_VIEWERS: Final = 64
SLOW_SECONDS: Final = 20.0
"""A viewer that takes nothing for so long is gone, or as good as that."""
_ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(
    host: str | None,
    port: int,
    look: Callable[[], Snapshot],
    *,
    ready: Callable[[], bool] = lambda: True,
    only_here: bool = False,
) -> AsyncIterator[int]:
    """Serve what `look` sees; yield the port.

    Args:
        host: the address; all of them if there is none.
        port: any free one if 0.
        look: takes a snapshot, at once and in the event loop.
        ready: whether there is something to see.
        only_here: whether to answer only those who ask for this machine, or for an address. A web
            site whose name means 127.0.0.1 could read the page through a visitor's browser.

    Raises:
        OSError: the address is taken.
    """
    live = Live(look)
    runner = web.AppRunner(
        _app(live, ready, only_here=only_here),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    # No task group, which would wrap whatever ends the block of the caller.
    rendering = asyncio.create_task(live.run(), name="page")
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        live.close()
        rendering.cancel()
        await asyncio.wait([rendering])
        await runner.cleanup()


def _app(live: Live, ready: Callable[[], bool], *, only_here: bool) -> web.Application:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if only_here and not _is_here(request.url.host or ""):
            return web.Response(status=421, text="this page is for this machine only\n")
        if not ready():
            return web.Response(status=503, text="not yet\n", headers={hdrs.RETRY_AFTER: "1"})
        try:
            return await handler(request)
        except UnavailableError:
            return web.Response(status=503, text="not now\n")

    async def page(_: web.Request) -> web.Response:
        return _response((await live.latest()).page, "text/html")

    async def as_json(_: web.Request) -> web.Response:
        return _response((await live.latest()).json, "application/json")

    async def look_on(request: web.Request) -> web.StreamResponse:
        if live.viewers >= MOST_VIEWERS:
            return web.Response(status=503, text="too many look on already\n")
        # Before anything is awaited: many who come at once are to see one another.
        with live.viewer():
            return await _stream(live, request)

    app = web.Application(middlewares=[guarded])
    app.on_response_prepare.append(_add_headers)
    app.add_routes([web.get("/", page), web.get("/holds.json", as_json), web.get("/live", look_on)])
    for name, kind in _ASSETS.items():
        app.add_routes([web.get(f"/{name}", _asset(name, kind))])
    return app


async def _stream(live: Live, request: web.Request) -> web.StreamResponse:
    """Send events as fast as the viewer takes them; those that it misses are not kept."""
    kind = {hdrs.CONTENT_TYPE: "text/event-stream", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=kind)
    await response.prepare(request)
    with suppress(ConnectionResetError, UnavailableError):
        async with aclosing(live.events()) as events:
            async for event in events:
                try:
                    async with asyncio.timeout(SLOW_SECONDS):
                        await response.write(event)
                except TimeoutError:
                    if request.transport is not None:
                        request.transport.abort()
                    break
    return response


def _asset(name: str, kind: str) -> Handler:
    body = (files("page") / "assets" / name).read_bytes()

    async def tell(_: web.Request) -> web.Response:
        return _response(body, kind)

    return tell


def _response(body: bytes, kind: str) -> web.Response:
    return web.Response(body=body, content_type=kind, charset="utf-8")


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
