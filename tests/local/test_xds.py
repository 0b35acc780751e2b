import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc.aio
import pytest
from betterproto2 import Casing
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse

from local.subscription import EDS_TYPE
from local.xds import EndpointDiscovery

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
Stream: TypeAlias = grpc.aio.StreamStreamCall[DiscoveryRequest, DiscoveryResponse]
A1, A2 = ("127.0.0.1", 8001), ("127.0.0.1", 8002)


def ask(*names: str, nonce: str = "") -> DiscoveryRequest:
    """A request as Envoy sends it: all names, and the nonce it accepts."""
    return DiscoveryRequest(type_url=EDS_TYPE, resource_names=list(names), response_nonce=nonce)


def ports(response: DiscoveryResponse) -> dict[str, list[int]]:
    """Each cluster's ports in a response."""
    found = {}
    for resource in response.resources:
        assert isinstance(resource.unpack(), ClusterLoadAssignment)
        assignment: Any = resource.to_dict(casing=Casing.SNAKE)
        found[assignment["cluster_name"]] = [
            member["endpoint"]["address"]["socket_address"]["port_value"]
            for locality in assignment.get("endpoints", ())
            for member in locality["lb_endpoints"]
        ]
    return found


def serialize(request: DiscoveryRequest) -> bytes:
    """`bytes`, as a function of this one type."""
    return bytes(request)


class Envoy:
    """The client's end of a stream."""

    def __init__(self, stream: Stream, *names: str) -> None:
        self.stream = stream
        self.names = names

    async def ask(self, nonce: str = "") -> None:
        """Subscribe, or accept the response with this nonce."""
        await self.stream.write(ask(*self.names, nonce=nonce))

    async def receive(self) -> DiscoveryResponse:
        """Wait for the next response."""
        response = await self.stream.read()
        assert isinstance(response, DiscoveryResponse)
        return response

    async def receive_and_accept(self) -> dict[str, list[int]]:
        """Wait for the next response, accept it and return its ports."""
        response = await self.receive()
        await self.ask(response.nonce)
        return ports(response)


@asynccontextmanager
async def serving(
    discovery: EndpointDiscovery,
) -> AsyncIterator[Callable[..., Awaitable[Envoy]]]:
    """A server on a free port, and a function that connects an Envoy to it."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((discovery.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream(
            METHOD,
            request_serializer=serialize,
            response_deserializer=DiscoveryResponse.parse,
        )

        async def connect(*names: str) -> Envoy:
            envoy = Envoy(method(), *names)
            if names:
                await envoy.ask()
            return envoy

        yield connect
        discovery.close()
    await server.stop(0)


async def test_a_change_reaches_every_envoy_and_applied_waits_for_the_last():
    """Released before its own Envoy can route it, a request spends a chance."""
    discovery = EndpointDiscovery()
    async with serving(discovery) as connect:
        first, second = await connect("a"), await connect("a")
        assert {"a": []} == await first.receive_and_accept()
        assert {"a": []} == await second.receive_and_accept()
        version = discovery.set_endpoints("a", [A1, A2])
        applied = asyncio.create_task(discovery.applied(version))
        assert {"a": [8001, 8002]} == await first.receive_and_accept()
        response = await second.receive()
        assert not applied.done()
        await second.ask(response.nonce)
        await applied


async def test_applied_returns_at_once_without_an_envoy():
    """Local mode starts workloads before its Envoy as well as after it."""
    discovery = EndpointDiscovery()
    await discovery.applied(discovery.set_endpoints("a", [A1]))


async def test_applied_stops_waiting_for_an_envoy_that_leaves():
    """A killed Envoy must not keep the others' requests parked."""
    discovery = EndpointDiscovery()
    async with serving(discovery) as connect:
        envoy = await connect("a")
        await envoy.receive()
        applied = asyncio.create_task(discovery.applied(discovery.set_endpoints("a", [A1])))
        envoy.stream.cancel()
        await applied
    assert "[]" in repr(discovery)


async def test_an_envoy_that_half_closes_is_answered_with_the_end_of_the_stream():
    """No writer may be left that waits for changes nobody reads."""
    discovery = EndpointDiscovery()
    async with serving(discovery) as connect:
        envoy = await connect("a")
        await envoy.receive()
        await envoy.stream.done_writing()
        assert grpc.aio.EOF == await envoy.stream.read()
        assert grpc.StatusCode.OK == await envoy.stream.code()


async def test_close_ends_every_stream_with_ok():
    """A clean end; an error would be one more line in Envoy's log at every shutdown."""
    discovery = EndpointDiscovery()
    async with serving(discovery) as connect:
        envoy = await connect("a")
        await envoy.receive()
        discovery.close()
        assert grpc.StatusCode.OK == await envoy.stream.code()
        late = await connect()  # it may have ended before it could ask
        assert grpc.StatusCode.OK == await late.stream.code()


def test_setting_the_same_endpoints_again_changes_nothing():
    """Callers repeat what they see; only a change is worth a push."""
    discovery = EndpointDiscovery()
    assert 0 == discovery.set_endpoints("a", [])
    assert 1 == discovery.set_endpoints("a", [A1])
    assert 2 == discovery.set_endpoints("b", [A1])
    assert 1 == discovery.set_endpoints("a", [A1])
    assert 3 == discovery.set_endpoints("a", [])


@pytest.mark.looptime
async def test_a_delay_keeps_changes_back_and_in_order():
    """It stands in for istiod's debounce, so that tests meet an Envoy that learns late."""
    loop = asyncio.get_running_loop()
    discovery = EndpointDiscovery(delay=0.1)
    versions = [discovery.set_endpoints("a", [A1]), discovery.set_endpoints("a", [A2])]
    assert [1, 2] == versions
    assert "version=0" in repr(discovery)
    await asyncio.sleep(0.1)
    assert "version=2" in repr(discovery)
    assert 0.1 == pytest.approx(loop.time())
