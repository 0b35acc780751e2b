"""What a real Envoy tells hold servers of a request, and how often it asks them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy_data_plane.envoy.service.ext_proc.v3 import ProcessingRequest

from bench.client import Crowd
from bench.rig import Rig
from extproc.wire.ext_proc import CONTINUE, PASS, SERVICE
from local.envoy import EnvoyError, find_envoy

pytestmark = pytest.mark.envoy

SECRET = "s3cret"
SENT = [
    ("authorization", f"Bearer {SECRET}"),
    ("cookie", f"session={SECRET}"),
    ("x-api-key", SECRET),
    ("user-agent", "curl/8"),
    ("accept", "application/json"),
    ("content-type", "text/plain"),
    ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
    ("tracestate", "k=v"),
]


class Listening:
    """A hold server that only listens, and gives every request the same answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.heard: list[bytes] = []
        self.port = 0

    async def process(self, _messages: object, context: object) -> bytes:
        """Serve one stream."""
        self.heard.append(await context.read())  # type: ignore[attr-defined]
        return self._answer

    def order(self, **_: object) -> None:
        """Know of no workload."""


@asynccontextmanager
async def asking(answer: bytes) -> AsyncIterator[tuple[Rig, Listening]]:
    """Let Envoy ask a hold server that gives this answer."""
    try:
        find_envoy()
    except EnvoyError as error:
        pytest.skip(str(error))
    listening = Listening(answer)
    process: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
        listening.process
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Process": process}),)
    )
    listening.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    rig = Rig(replicas=0)
    rig.replicas.append(listening)  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(30), rig:
            yield rig, listening
    finally:
        await server.stop(0)


async def get(rig: Rig, headers=()):
    """Send one request for the workload that has no endpoint."""
    crowd = Crowd()
    try:
        await crowd.send(rig.port, 1, "/", headers)
        return (await crowd.answers())[0]
    finally:
        crowd.close()


async def test_a_hold_server_never_sees_what_it_does_not_read():
    """Tokens and cookies have no business in a process that only lets requests wait."""
    async with asking(PASS) as (rig, listening):
        await get(rig, SENT)
        [message] = listening.heard
    assert SECRET.encode() not in message
    request = ProcessingRequest.parse(message).request_headers
    assert request is not None
    assert request.headers is not None
    seen = {each.key: each.raw_value.decode() for each in request.headers.headers}
    assert {":method": "GET", ":path": "/", **dict(SENT[3:])} == seen


@pytest.mark.parametrize(("answer", "times"), [(CONTINUE, 3), (PASS, 1)], ids=["held", "not held"])
async def test_a_request_that_is_none_of_laybys_is_asked_about_once(answer, times):
    """A cluster of a headless Service never has endpoints to count: its requests would be asked
    about on every chance, and made to wait, for nothing.
    """
    async with asking(answer) as (rig, listening):
        assert 503 == (await get(rig)).status
        assert times == len(listening.heard)
