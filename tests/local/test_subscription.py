import logging
from typing import Any

from betterproto2 import Casing
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse
from envoy_data_plane.google.rpc import Status

from istio.address import TcpAddress
from local.subscription import EDS_TYPE, Assignment, Subscription


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


def settled(*names: str) -> Subscription:
    """A subscription whose first response was accepted at version 0."""
    subscription = Subscription()
    subscription.receive(ask(*names))
    subscription.respond({}, 0)
    subscription.receive(ask(*names, nonce="1"))
    return subscription


def test_nothing_is_sent_before_it_is_asked_for():
    """A response that answers no request is a protocol error to Envoy."""
    assert Subscription().respond(table(a=(3, 1)), 3) is None


def test_the_first_response_has_every_name_even_the_unknown():
    """Envoy does not finish starting before each of its clusters has an answer."""
    subscription = Subscription()
    subscription.receive(ask("a", "b"))
    response = subscription.respond(table(a=(3, 1), other=(2, 9)), 3)
    assert response is not None
    assert {"a": [1], "b": []} == ports(response)
    assert ("3", EDS_TYPE) == (response.version_info, response.type_url)


def test_steady_state_sends_nothing():
    """Each response costs every worker thread of the Envoy an update."""
    subscription = settled("a")
    assert subscription.respond({}, 0) is None


def test_later_responses_have_only_what_changed():
    """Sending the rest again would make a wake wait for all workloads' endpoints."""
    subscription = settled("a", "b")
    assert {"b": [2]} == ports(subscription.respond(table(b=(1, 2)), 1))


def test_an_ack_accepts_the_version_that_was_sent():
    """What is accepted decides when parked requests go on."""
    subscription = settled("a")
    subscription.respond(table(a=(4, 1)), 4)
    assert 0 == subscription.accepted
    subscription.receive(ask("a", nonce="2"))
    assert 4 == subscription.accepted


def test_a_change_during_an_unanswered_response_waits_for_the_answer():
    """With two in flight, an ACK of the first would pass for one of the second."""
    subscription = settled("a")
    subscription.respond(table(a=(1, 1)), 1)
    assert subscription.respond(table(a=(2, 2)), 2) is None
    subscription.receive(ask("a", nonce="2"))
    assert 1 == subscription.accepted
    assert {"a": [2]} == ports(subscription.respond(table(a=(2, 2)), 2))


def test_a_stale_nonce_is_ignored():
    """It was sent before the last response arrived; that one's answer is still to come."""
    subscription = settled("a")
    subscription.respond(table(a=(1, 1)), 1)
    subscription.receive(ask("a", nonce="1"))
    assert 0 == subscription.accepted


def test_a_change_of_another_cluster_is_accepted_without_a_response():
    """An Envoy that did not ask for the cluster must not hold up its release."""
    subscription = settled("a")
    assert subscription.respond(table(other=(1, 1)), 1) is None
    assert 1 == subscription.accepted


def test_a_nack_is_logged_and_accepts_nothing(caplog):
    """The reason is only in the request; without the log nobody learns it."""
    subscription = settled("a")
    subscription.respond(table(a=(1, 1)), 1)
    with caplog.at_level(logging.ERROR, logger="local.subscription"):
        subscription.receive(ask("a", nonce="2", refused="malformed IP address"))
    assert 0 == subscription.accepted
    assert "malformed IP address" in caplog.text


def test_a_refused_response_is_not_repeated_until_something_changes():
    """Envoy would refuse it again at once, and so on without end."""
    subscription = settled("a", "b")
    subscription.respond(table(a=(1, 1)), 1)
    subscription.receive(ask("a", "b", nonce="2", refused="no"))
    assert subscription.respond(table(a=(1, 1)), 1) is None
    assert {"a": [1], "b": [2]} == ports(subscription.respond(table(a=(1, 1), b=(2, 2)), 2))


def test_a_new_name_is_answered_with_all_names():
    """The state of the world for the names that are asked for now."""
    subscription = settled("a")
    subscription.receive(ask("a", "b", nonce="1"))
    assert subscription.accepted < 0
    assert {"a": [], "b": []} == ports(subscription.respond({}, 0))


def test_a_dropped_name_is_answered_with_nothing():
    """Envoy has what it still asks for."""
    subscription = settled("a", "b")
    subscription.receive(ask("a", nonce="1"))
    assert subscription.respond({}, 0) is None
    assert 0 == subscription.accepted


def test_another_type_gets_one_empty_answer():
    """An Envoy waits for it at its start; its ACK is not answered."""
    subscription = Subscription()
    subscription.receive(ask(kind="type.googleapis.com/x.Y"))
    response = subscription.respond({}, 0)
    assert response is not None
    assert ("type.googleapis.com/x.Y", []) == (response.type_url, response.resources)
    subscription.receive(ask(kind="type.googleapis.com/x.Y", nonce=response.nonce))
    assert subscription.respond({}, 0) is None
