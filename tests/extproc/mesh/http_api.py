"""An API server in memory, over real HTTP."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

from kube.request import Request
from tests.extproc.mesh.scaled_api import ScaledApi
from tests.kube.http_server import Server

COLLECTIONS = {"trafficholds", "services", "endpointslices", "pods"}


class HttpApi:
    """Serves an API in memory over HTTP."""

    def __init__(self) -> None:
        self.api = ScaledApi()
        self.server = Server()
        self.server.handler = self._handle

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        verb = {"GET": "get", "PATCH": "patch"}[request.method]
        if request.path.rpartition("/")[2] in COLLECTIONS:
            verb = "watch" if "watch" in request.query else "list"
        sent = await request.read()
        body = json.loads(sent) if sent else None
        query = dict(request.query)
        answer = await self.api.send(Request(verb, request.method, request.path, query, body))
        if verb != "watch":
            return web.Response(body=await answer.read(), status=answer.status)
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in answer.chunks():
            await response.write(piece)
        return response


@asynccontextmanager
async def serving_api():
    """An API server on a port."""
    http = HttpApi()
    runner = web.ServerRunner(web.Server(http.server.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    http.server.url = f"http://{host}:{port}"
    yield http
    http.api.cut(None)
    await runner.cleanup()
