import pytest

from istio.address import TcpAddress, UnixAddress
from istio.cluster import hold_cluster, load_assignment
from istio.protojson import to_dict

SERVERS = (TcpAddress("127.0.0.1", 9002), UnixAddress("/run/layby.sock"))


@pytest.fixture
def cluster():
    """The JSON form of the hold cluster, which is what Envoy reads."""
    return to_dict(
        hold_cluster("hold", SERVERS, keepalive_interval_seconds=3.5, keepalive_timeout_seconds=0.5)
    )


def test_servers_may_listen_on_tcp_and_on_unix_sockets(cluster):
    """Local mode uses a unix socket, benches run several servers on ports."""
    (locality,) = cluster["load_assignment"]["endpoints"]
    addresses = [member["endpoint"]["address"] for member in locality["lb_endpoints"]]
    assert [
        {"socket_address": {"address": "127.0.0.1", "port_value": 9002}},
        {"pipe": {"path": "/run/layby.sock"}},
    ] == addresses


def test_a_frozen_server_is_noticed_by_pings(cluster):
    """Its kernel keeps the connection open for as long as the process is there."""
    (options,) = cluster["typed_extension_protocol_options"].values()
    http2 = options["explicit_http_config"]["http2_protocol_options"]
    assert {"interval": "3.500s", "timeout": "0.500s"} == http2["connection_keepalive"]


def test_no_breaker_opens_under_parked_requests(cluster):
    """Envoy's defaults allow 1,024 parked requests, and 3 retries when a server dies."""
    (thresholds,) = cluster["circuit_breakers"]["thresholds"]
    assert thresholds.pop("track_remaining")
    assert {
        "max_connections": 1_000_000,
        "max_pending_requests": 1_000_000,
        "max_requests": 1_000_000,
        "max_retries": 1_000_000,
    } == thresholds


def test_one_failure_ejects_a_server_even_if_it_is_the_last(cluster):
    """All ejected means all used; with a lower limit two servers killed in turn lose requests."""
    ejection = cluster["outlier_detection"]
    assert (1, 100) == (ejection["consecutive_5xx"], ejection["max_ejection_percent"])


def test_no_endpoints_is_an_empty_assignment():
    """A locality without members would be one more thing for Envoy to weigh."""
    assert {"cluster_name": "c"} == to_dict(load_assignment("c", ()))
