"""A real HTTP server on a real socket, which behaves as badly as told."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server:
    """An HTTP server whose handler is the test's to choose."""

    def __init__(self) -> None:
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[str] = []
        self.peers: set[object] = set()
        self.url = ""
        self.handler: Handler = self.answer(200, {})

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Note a request, and answer it."""
        self.requests.append(request)
        self.bodies.append(await request.text())
        assert request.transport
        self.peers.add(request.transport.get_extra_info("peername"))
        return await self.handler(request)

    @staticmethod
    def answer(code, body):
        """Make a handler that always says the same."""

        async def handler(_: web.BaseRequest) -> web.StreamResponse:
            return web.json_response(body, status=code)

        return handler
