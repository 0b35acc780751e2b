import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc.aio
import pytest
from betterproto2 import Casing
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse
from envoy_data_plane.google.rpc import Status

from istio.cluster import TcpAddress
from local.xds import EDS_TYPE, Assignment, EndpointDiscovery, Subscription

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
Stream: TypeAlias = grpc.aio.StreamStreamCall[DiscoveryRequest, DiscoveryResponse]
A1, A2 = ("127.0.0.1", 8001), ("127.0.0.1", 8002)


def ask(
    *names: str, nonce: str = "", refused: str | None = None, kind: str = EDS_TYPE
) -> DiscoveryRequest:
    """A request as Envoy sends it: all names, the nonce it answers, an error if it refuses."""
    return DiscoveryRequest(
        type_url=kind,
        resource_names=list(names),
        response_nonce=nonce,
        error_detail=Status(code=13, message=refused) if refused else None,
    )


def ports(response: DiscoveryResponse | None) -> dict[str, list[int]]:
    """Each cluster's ports in a response."""
    assert response is not None
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


def table(**rows: tuple[int, ...]) -> dict[str, Assignment]:
    """Assignments by cluster: a version and the ports it brought."""
    return {
        name: Assignment(version, tuple(TcpAddress("127.0.0.1", port) for port in with_ports))
        for name, (version, *with_ports) in rows.items()
    }


class TestSubscription:
    """The protocol, without a stream."""

    def settled(self, *names: str) -> Subscription:
        """A subscription whose first response was accepted at version 0."""
        subscription = Subscription()
        subscription.receive(ask(*names))
        subscription.respond({}, 0)
        subscription.receive(ask(*names, nonce="1"))
        return subscription

    def test_nothing_is_sent_before_it_is_asked_for(self):
        """A response that answers no request is a protocol error to Envoy."""
        assert Subscription().respond(table(a=(3, 1)), 3) is None

    def test_the_first_response_has_every_name_even_the_unknown(self):
        """Envoy does not finish starting before each of its clusters has an answer."""
        subscription = Subscription()
        subscription.receive(ask("a", "b"))
        response = subscription.respond(table(a=(3, 1), other=(2, 9)), 3)
        assert response is not None
        assert {"a": [1], "b": []} == ports(response)
        assert ("3", EDS_TYPE) == (response.version_info, response.type_url)

    def test_steady_state_sends_nothing(self):
        """Each response costs every worker thread of the Envoy an update."""
        subscription = self.settled("a")
        assert subscription.respond({}, 0) is None

    def test_later_responses_have_only_what_changed(self):
        """Sending the rest again would make a wake wait for all workloads' endpoints."""
        subscription = self.settled("a", "b")
        assert {"b": [2]} == ports(subscription.respond(table(b=(1, 2)), 1))

    def test_an_ack_accepts_the_version_that_was_sent(self):
        """What is accepted decides when parked requests go on."""
        subscription = self.settled("a")
        subscription.respond(table(a=(4, 1)), 4)
        assert 0 == subscription.accepted
        subscription.receive(ask("a", nonce="2"))
        assert 4 == subscription.accepted

    def test_a_change_during_an_unanswered_response_waits_for_the_answer(self):
        """With two in flight, an ACK of the first would pass for one of the second."""
        subscription = self.settled("a")
        subscription.respond(table(a=(1, 1)), 1)
        assert subscription.respond(table(a=(2, 2)), 2) is None
        subscription.receive(ask("a", nonce="2"))
        assert 1 == subscription.accepted
        assert {"a": [2]} == ports(subscription.respond(table(a=(2, 2)), 2))

    def test_a_stale_nonce_is_ignored(self):
        """It was sent before the last response arrived; that one's answer is still to come."""
        subscription = self.settled("a")
        subscription.respond(table(a=(1, 1)), 1)
        subscription.receive(ask("a", nonce="1"))
        assert 0 == subscription.accepted

    def test_a_change_of_another_cluster_is_accepted_without_a_response(self):
        """An Envoy that did not ask for the cluster must not hold up its release."""
        subscription = self.settled("a")
        assert subscription.respond(table(other=(1, 1)), 1) is None
        assert 1 == subscription.accepted

    def test_a_nack_is_logged_and_accepts_nothing(self, caplog):
        """The reason is only in the request; without the log nobody learns it."""
        subscription = self.settled("a")
        subscription.respond(table(a=(1, 1)), 1)
        with caplog.at_level(logging.ERROR, logger="local.xds"):
            subscription.receive(ask("a", nonce="2", refused="malformed IP address"))
        assert 0 == subscription.accepted
        assert "malformed IP address" in caplog.text

    def test_a_refused_response_is_not_repeated_until_something_changes(self):
        """Envoy would refuse it again at once, and so on without end."""
        subscription = self.settled("a", "b")
        subscription.respond(table(a=(1, 1)), 1)
        subscription.receive(ask("a", "b", nonce="2", refused="no"))
        assert subscription.respond(table(a=(1, 1)), 1) is None
        assert {"a": [1], "b": [2]} == ports(subscription.respond(table(a=(1, 1), b=(2, 2)), 2))

    def test_a_new_name_is_answered_with_all_names(self):
        """The state of the world for the names that are asked for now."""
        subscription = self.settled("a")
        subscription.receive(ask("a", "b", nonce="1"))
        assert subscription.accepted < 0
        assert {"a": [], "b": []} == ports(subscription.respond({}, 0))

    def test_a_dropped_name_is_answered_with_nothing(self):
        """Envoy has what it still asks for."""
        subscription = self.settled("a", "b")
        subscription.receive(ask("a", nonce="1"))
        assert subscription.respond({}, 0) is None
        assert 0 == subscription.accepted

    def test_another_type_gets_one_empty_answer(self):
        """An Envoy waits for it at its start; its ACK is not answered."""
        subscription = Subscription()
        subscription.receive(ask(kind="type.googleapis.com/x.Y"))
        response = subscription.respond({}, 0)
        assert response is not None
        assert ("type.googleapis.com/x.Y", []) == (response.type_url, response.resources)
        subscription.receive(ask(kind="type.googleapis.com/x.Y", nonce=response.nonce))
        assert subscription.respond({}, 0) is None


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
) -> AsyncIterator[Callable[[str], Awaitable[Envoy]]]:
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
        late = await connect("a")
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
