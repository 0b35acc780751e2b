import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from istio.address import TcpAddress, UnixAddress
from istio.gate import GateOptions, gate
from istio.protojson import to_dict
from local.bootstrap import BootstrapOptions, Workload, bootstrap
from local.config import Protocol
from local.routes import Route, cluster_name

OPTIONS = BootstrapOptions(
    listen=TcpAddress("127.0.0.1", 8080),
    workloads=(Workload("web"), Workload("rpc", Protocol.HTTP2)),
    routes=(Route("web"), Route("rpc", prefix="/rpc")),
    hold_endpoints=(TcpAddress("127.0.0.1", 9001), TcpAddress("127.0.0.1", 9002)),
)


@cache
def render(options: BootstrapOptions = OPTIONS) -> Any:
    """The bootstrap as Envoy reads it."""
    return json.loads(json.dumps(bootstrap(options)))


def clusters(options: BootstrapOptions = OPTIONS) -> dict[str, Any]:
    """The clusters by their names."""
    return {each["name"]: each for each in render(options)["static_resources"]["clusters"]}


def connection_manager(options: BootstrapOptions = OPTIONS) -> Any:
    """The one listener's HTTP connection manager."""
    (listener,) = render(options)["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def grpc_cluster(service: Any) -> str:
    """The cluster a gRPC service goes to."""
    return str(service["envoy_grpc"]["cluster_name"])


def ads_cluster(options: BootstrapOptions = OPTIONS) -> str:
    """The cluster that serves ADS."""
    return grpc_cluster(render(options)["dynamic_resources"]["ads_config"]["grpc_services"][0])


def test_the_gate_stands_right_before_the_router():
    """Behind the router nothing runs; before another filter the count may be read too early."""
    filters = connection_manager()["http_filters"]
    assert [to_dict(part) for part in gate(OPTIONS.gate)] == filters[:-1]
    assert "envoy.filters.http.router" == filters[-1]["name"]


def test_without_the_gate_only_the_router_is_left():
    """Benchmarks compare with this one."""
    filters = connection_manager(replace(OPTIONS, gated=False))["http_filters"]
    assert ["envoy.filters.http.router"] == [each["name"] for each in filters]


def test_a_parked_request_is_cut_by_no_timer_of_the_listener():
    """Envoy's stream idle timeout alone would end it after five minutes."""
    manager = connection_manager()
    assert ("0s", "0s") == (manager["stream_idle_timeout"], manager["request_timeout"])


def test_requests_pass_as_they_are():
    """Hosts with a port match, large headers fit, upgrades work, `server` is the workload's own."""
    manager = connection_manager()
    assert manager["route_config"]["ignore_port_in_host_matching"]
    assert 96 == manager["max_request_headers_kb"]
    assert [{"upgrade_type": "websocket"}] == manager["upgrade_configs"]
    assert manager["http2_protocol_options"]["allow_connect"]
    assert "PASS_THROUGH" == manager["server_header_transformation"]


def test_access_logs_go_to_the_hold_servers_from_the_requests_start():
    """A long request keeps its workload awake only if it is heard of before its end."""
    manager = connection_manager(replace(OPTIONS, log_flush_seconds=0.25, log_interval_seconds=1.5))
    router = manager["http_filters"][-1]["typed_config"]
    (log,) = router["upstream_log"]
    config = log["typed_config"]["common_config"]
    assert ("layby", "0.250s") == (config["log_name"], config["buffer_flush_interval"])
    assert "layby-hold" == grpc_cluster(config["grpc_service"])
    assert {
        "upstream_log_flush_interval": "1.500s",
        "flush_upstream_log_on_upstream_stream": True,
    } == router["upstream_log_options"]


def test_a_workload_has_its_endpoints_from_ads_and_speaks_its_protocol():
    """A gRPC server understands nothing but HTTP/2."""
    web, rpc = (clusters()[cluster_name(name)] for name in ("web", "rpc"))
    assert ("EDS", "EDS") == (web["type"], rpc["type"])
    # The kernel asks again after 1 s for a connection that found no room: a crowd would fail.
    assert "10s" == web["connect_timeout"]
    assert {"ads": {}, "resource_api_version": "V3"} == web["eds_cluster_config"]["eds_config"]
    assert "typed_extension_protocol_options" not in web
    (options,) = rpc["typed_extension_protocol_options"].values()
    assert {"http2_protocol_options": {}} == options["explicit_http_config"]


def test_hold_servers_serve_ads_where_nothing_else_does():
    """Local mode is one process that does both."""
    assert "layby-hold" == ads_cluster()
    assert {cluster_name("web"), cluster_name("rpc"), "layby-hold"} == set(clusters())


def test_a_control_server_of_its_own_serves_ads():
    """Tests kill hold servers and keep the endpoints known."""
    options = replace(OPTIONS, control_endpoint=UnixAddress("/run/control.sock"))
    assert "layby-control" == ads_cluster(options)
    (locality,) = clusters(options)["layby-control"]["load_assignment"]["endpoints"]
    assert [{"endpoint": {"address": {"pipe": {"path": "/run/control.sock"}}}}] == locality[
        "lb_endpoints"
    ]


def test_the_hold_cluster_is_the_one_the_gate_asks():
    """A gate that names another one would let every cold request fail."""
    options = replace(OPTIONS, gate=GateOptions(cluster_name="elsewhere"))
    assert "elsewhere" in clusters(options)
    assert "elsewhere" == ads_cluster(options)


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        (None, None),
        (UnixAddress("/run/admin.sock"), {"address": {"pipe": {"path": "/run/admin.sock"}}}),
    ],
)
def test_admin_is_there_if_asked_for(admin, expected):
    """It can stop the Envoy, so a port is opened only by choice."""
    assert expected == bootstrap(replace(OPTIONS, admin=admin)).get("admin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hold_endpoints": ()}, "hold_endpoints is empty"),
        ({"workloads": (Workload("web"), Workload("web"))}, "same name"),
        ({"routes": (Route("nobody"),)}, "unknown workload 'nobody'"),
    ],
)
def test_contradictions_are_refused(change, message):
    """Envoy would start, and answer 503 to what nobody serves."""
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **change)
