"""The edge to the network: a real server on a real socket, which behaves as badly as told."""

import asyncio
import json
import socket

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from kube.client import Kube
from kube.connection import Connection
from kube.errors import NotFoundError, UnreachableError
from kube.informer import Informer
from kube.request import Request
from kube.resource import PODS, Key, Selection
from kube.watch import Pace
from tests.kube.fake_api import status

CART = Key("shop", "cart")
QUICK = Pace(first_retry_seconds=0.01, longest_retry_seconds=0.02)


@pytest.fixture
async def connection(server):
    """A connection to that server, without credentials."""
    async with Connection(Configuration(host=server.url), "layby/test") as connection:
        yield connection


@pytest.fixture
def kube(connection):
    return Kube(connection, timeout_seconds=2.0)


async def test_a_request_is_what_was_asked_for(server, kube):
    """Method, path, query, body and type, and who asks."""
    await kube.patch_json(PODS, CART, [{"op": "test", "path": "/a", "value": "ü"}])
    (request,) = server.requests
    assert ("PATCH", "/api/v1/namespaces/shop/pods/cart") == (request.method, request.path)
    assert {"fieldManager": "layby"} == dict(request.query)
    assert [{"op": "test", "path": "/a", "value": "ü"}] == json.loads(server.bodies[0])
    assert "application/json-patch+json" == request.headers["Content-Type"]
    assert "layby/test" == request.headers["User-Agent"]
    assert "Authorization" not in request.headers


async def test_selectors_arrive_as_they_were_written(server, kube):
    """They are full of characters that mean something in a query."""
    server.handler = server.answer(200, {"items": [], "metadata": {"resourceVersion": "1"}})
    labels = "app in (a,b),tier!=x&y=z+1,a/b"
    await kube.list(Selection(PODS, labels=labels, fields="metadata.name=%2F"))
    query = server.requests[0].query
    assert (labels, "metadata.name=%2F") == (query["labelSelector"], query["fieldSelector"])


async def test_one_connection_carries_many_requests(server, kube):
    """Refused ones too: a handshake costs more than the request."""
    await kube.get(PODS, CART)
    server.handler = server.answer(404, status(404, "NotFound"))
    for _ in range(3):
        with pytest.raises(NotFoundError):
            await kube.get(PODS, CART)
    assert 4 == len(server.requests)
    assert 1 == len(server.peers)


async def test_nobody_listening_is_an_error_of_ours():
    """Whoever asks must not need to know the HTTP library's."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with Connection(Configuration(host=url)) as lost:
            with pytest.raises(UnreachableError) as caught:
                await Kube(lost).get(PODS, CART)
    assert (0, "Unreachable") == (caught.value.status, caught.value.reason)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("place", ["head", "body"])
async def test_a_server_that_hangs_up_is_one_too(server, kube, place):
    """Before its answer, or in the middle of it."""

    async def hang_up(request):
        if place == "body":
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b'{"kind": ')
        request.transport.abort()
        return web.Response()

    server.handler = hang_up
    with pytest.raises(UnreachableError):
        await kube.create(PODS, {"metadata": {"name": "a"}})


@pytest.mark.parametrize("place", ["head", "body"])
async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(server, connection, place):
    """A worker would be stuck on that key until the process is started anew."""

    async def dawdle(request):
        if place == "body":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"kind": ')
        await asyncio.sleep(60)
        return web.Response()

    server.handler = dawdle
    with pytest.raises(UnreachableError) as caught:
        await Kube(connection, timeout_seconds=0.05).get(PODS, CART)
    assert "Timeout" == caught.value.reason


async def test_a_silent_stream_is_given_up(server, connection):
    """A watch has no time limit worth the name, but its silence has one."""

    async def fall_silent(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await asyncio.sleep(60)
        return response

    server.handler = fall_silent
    request = Request("watch", "GET", PODS.path(), timeout_seconds=60, silence_seconds=0.05)
    pieces = []

    async def read() -> None:
        async with Kube(connection).opened(request) as answer:
            pieces.extend([piece async for piece in answer.chunks()])

    with pytest.raises(UnreachableError):
        await read()


async def test_an_informer_gets_over_a_cut_in_the_middle_of_a_line(server, kube):
    """All of it together: sockets, chunks, lines, versions."""
    pods = [
        {"metadata": {"name": name, "resourceVersion": str(number)}}
        for number, name in enumerate("abc")
    ]
    lines = [json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n" for pod in pods]
    versions: list[str] = []

    async def serve(request):
        if "watch" not in request.query:
            return web.json_response({"items": pods[:1], "metadata": {"resourceVersion": "0"}})
        versions.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        if len(versions) == 1:
            await response.write(lines[1] + lines[2][:20])
            request.transport.abort()
            return response
        await response.write(lines[2])
        await asyncio.sleep(60)
        return response

    server.handler = serve
    informer = Informer(kube, Selection(PODS), pace=QUICK)
    third = asyncio.Event()
    informer.subscribe(lambda change: third.set() if change.key.name == "c" else None)
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(third.wait(), 5)
    assert {"a", "b", "c"} == {key.name for key in informer.store.snapshot()}
    assert ["0", "1"] == versions
    task.cancel()
    await asyncio.wait([task])


async def test_a_peer_that_is_gone_is_noticed_by_the_kernel(kube, monkeypatch):
    """A node that loses its power sends no goodbye."""
    made = []
    original = socket.socket

    def note(*arguments, **options):
        made.append(original(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("kube.connection.socket.socket", note)
    await kube.get(PODS, CART)
    # The server's sockets are among them.
    (used,) = (s for s in made if s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10)
    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 25_000 == used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
