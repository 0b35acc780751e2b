"""The client side of the hold server's services: real gRPC, messages of `envoy-data-plane`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
from envoy_data_plane.envoy.config.core.v3 import HeaderMap, HeaderValue
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    HttpHeaders,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from envoy_data_plane.google.protobuf import Struct

from extproc.wire.access_log import SERVICE as ACCESS_LOG
from extproc.wire.ext_proc import ATTRIBUTES
from extproc.wire.ext_proc import SERVICE as EXT_PROC

CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
Call: TypeAlias = grpc.aio.StreamStreamCall[bytes, bytes]
Method: TypeAlias = grpc.aio.StreamStreamMultiCallable[bytes, bytes]
Metadata: TypeAlias = Sequence[tuple[str, str]]


def request_headers(cluster: str | None = CLUSTER, **headers: str) -> bytes:
    """The first message of a stream, as the gate has Envoy send it; `_` stands for `:`."""
    fields = {":method": "GET", ":path": "/", **{k.replace("_", ":"): headers[k] for k in headers}}
    values = [HeaderValue(key=name, raw_value=fields[name].encode()) for name in fields]
    attributes = {} if cluster is None else {"xds.cluster_name": cluster}
    return bytes(
        ProcessingRequest(
            request_headers=HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=True),
            attributes={ATTRIBUTES: Struct.from_dict(attributes)},
        )
    )


class FakeEnvoy:
    """One connection to a hold server."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self._process: Method = self.channel.stream_stream(f"/{EXT_PROC}/Process")
        self._log: Method = self.channel.stream_stream(f"/{ACCESS_LOG}/StreamAccessLogs")

    async def ask(self, *messages: bytes, metadata: Metadata = ()) -> Call:
        """Open a stream as a hold filter does, and leave it open for an answer."""
        call = self._process(metadata=metadata)
        for message in messages:
            await call.write(message)
        return call

    async def log(self, *messages: bytes) -> Call:
        """Open a stream as an access logger does."""
        call = self._log()
        for message in messages:
            await call.write(message)
        return call


async def answer(call: Call) -> ProcessingResponse:
    """The one message of a stream that ends well."""
    async with asyncio.timeout(5):
        message = await call.read()
        assert isinstance(message, bytes), await call.code()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK
    return ProcessingResponse().parse(message)


async def goes_on(call: Call) -> bool:
    """Whether the stream is answered with CONTINUE."""
    return (await answer(call)).request_headers is not None


async def passes(call: Call) -> bool:
    """Whether it is, and the gate is told to leave the request alone from then on."""
    headers = (await answer(call)).request_headers
    assert headers is not None
    assert headers.response is not None
    mutation = headers.response.header_mutation
    return mutation is not None and ["x-layby-eps"] == mutation.remove_headers


async def refused(call: Call) -> ImmediateResponse:
    """The answer of a stream whose request does not go on."""
    response = (await answer(call)).immediate_response
    assert response is not None
    return response


async def failure(call: Call) -> grpc.StatusCode:
    """The status of a stream that fails, with no message before it."""
    async with asyncio.timeout(5):
        try:
            message = await call.read()
        except grpc.aio.AioRpcError as error:
            return error.code()
        assert message is grpc.aio.EOF, f"{message!r} came before the status"
        return await call.code()


def headers_of(response: ImmediateResponse) -> dict[str, str]:
    """The headers that an answer sets."""
    assert response.headers is not None
    found = {}
    for option in response.headers.set_headers:
        assert option.header is not None
        found[option.header.key] = option.header.raw_value.decode()
    return found


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[FakeEnvoy]:
    """An Envoy whose connection is closed in the end."""
    envoy = FakeEnvoy(port)
    try:
        yield envoy
    finally:
        await envoy.channel.close()
