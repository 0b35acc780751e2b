"""The static Envoy configuration of local mode: one listener, one cluster per workload.

Owns what the local Envoy is told at its start; endpoints come later, over ADS.
Must not do I/O, nor know what runs behind a workload's name.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
)
from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterDiscoveryType,
    ClusterEdsClusterConfig,
)
from envoy_data_plane.envoy.config.core.v3 import (
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    BackoffStrategy,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    Node,
)
from envoy_data_plane.envoy.config.core.v3 import (
    RetryPolicy as GrpcRetryPolicy,
)
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerServerHeaderTransformation,
    HttpConnectionManagerUpgradeConfig,
    HttpFilter,
)
from envoy_data_plane.google.protobuf import Any

from istio.accesslog import logging_router
from istio.address import Endpoint, TcpAddress
from istio.cluster import (
    envoy_address,
    hold_cluster,
    http2_upstream,
    unbounded_breakers,
)
from istio.gate import GateOptions, gate
from istio.protojson import to_dict
from local.config import Protocol
from local.routes import Route, cluster_name, virtual_hosts

HOLD_CLUSTER = "layby-hold"
CONTROL_CLUSTER = "layby-control"

# Envoy's own default of 60 KiB would refuse requests that common servers take.
MAX_REQUEST_HEADERS_KIB = 96

_NEVER = timedelta(0)  # Envoy reads a timeout of zero as none

# Istio's own. A crowd let go at once opens connections faster than a process accepts them, and
# the kernel asks again after 1 s for one that found no room.
_CONNECT_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Workload:
    """A name that Envoy has a cluster for."""

    name: str
    protocol: Protocol = Protocol.HTTP1


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """The whole of a local Envoy's configuration."""

    listen: TcpAddress
    workloads: tuple[Workload, ...]
    routes: tuple[Route, ...]
    hold_endpoints: tuple[Endpoint, ...]
    control_endpoint: Endpoint | None = None
    """Where ADS is served, when not by the hold servers."""
    admin: Endpoint | None = None
    node_id: str = "layby-local"
    gate: GateOptions = field(default_factory=lambda: GateOptions(cluster_name=HOLD_CLUSTER))
    gated: bool = True
    """False leaves the gate out: the plain Envoy that a benchmark compares with."""
    log_flush_seconds: float = 0.1
    """How long access log entries may wait to be sent."""
    log_interval_seconds: float = 5.0
    """How often a running request is logged again."""
    keepalive_interval_seconds: float = 2.0
    keepalive_timeout_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse, or would silently never use."""
        if not self.hold_endpoints:
            raise ValueError("hold_endpoints is empty")
        names = {workload.name for workload in self.workloads}
        if len(names) < len(self.workloads):
            raise ValueError("two workloads have the same name")
        for route in self.routes:
            if route.workload not in names:
                raise ValueError(f"a route names the unknown workload {route.workload!r}")


def bootstrap(options: BootstrapOptions) -> dict[str, object]:
    """Return the bootstrap in Envoy's JSON form."""
    hold = options.gate.cluster_name
    servers = {hold: options.hold_endpoints}
    if options.control_endpoint is not None:
        servers[CONTROL_CLUSTER] = (options.control_endpoint,)
    clusters = [_workload_cluster(workload) for workload in options.workloads] + [
        hold_cluster(
            name,
            endpoints,
            keepalive_interval_seconds=options.keepalive_interval_seconds,
            keepalive_timeout_seconds=options.keepalive_timeout_seconds,
        )
        for name, endpoints in servers.items()
    ]
    return to_dict(
        Bootstrap(
            node=Node(id=options.node_id, cluster="layby"),
            admin=Admin(address=envoy_address(options.admin)) if options.admin else None,
            static_resources=BootstrapStaticResources(
                listeners=[_listener(options)], clusters=clusters
            ),
            dynamic_resources=BootstrapDynamicResources(
                ads_config=_ads(CONTROL_CLUSTER if options.control_endpoint else hold)
            ),
        )
    )


def _workload_cluster(workload: Workload) -> Cluster:
    http2 = workload.protocol is Protocol.HTTP2
    return Cluster(
        name=cluster_name(workload.name),
        type=ClusterDiscoveryType.EDS,
        eds_cluster_config=ClusterEdsClusterConfig(
            eds_config=ConfigSource(
                ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3
            )
        ),
        connect_timeout=_CONNECT_TIMEOUT,
        circuit_breakers=unbounded_breakers(),
        typed_extension_protocol_options=http2_upstream() if http2 else {},
    )


def _ads(cluster: str) -> ApiConfigSource:
    """Reconnect within a second: the default may wait 30, and a workload's wake waits with it."""
    back_off = BackoffStrategy(
        base_interval=timedelta(milliseconds=100), max_interval=timedelta(seconds=1)
    )
    service = _grpc(cluster)
    service.retry_policy = GrpcRetryPolicy(retry_back_off=back_off)
    return ApiConfigSource(
        api_type=ApiConfigSourceApiType.GRPC,
        transport_api_version=ApiVersion.V3,
        grpc_services=[service],
        set_node_on_first_message_only=True,
    )


def _listener(options: BootstrapOptions) -> Listener:
    return Listener(
        name="local",
        address=envoy_address(options.listen),
        # Without it a second Envoy on the port fails, rather than take half of the connections.
        enable_reuse_port=False,
        filter_chains=[
            FilterChain(
                filters=[
                    Filter(
                        name="envoy.filters.network.http_connection_manager",
                        typed_config=Any.pack(_connection_manager(options)),
                    )
                ]
            )
        ],
    )


def _connection_manager(options: BootstrapOptions) -> HttpConnectionManager:
    """Change as little as possible of a request, and cut none short: it may be parked for long."""
    logging = logging_router(
        options.gate.cluster_name,
        flush_seconds=options.log_flush_seconds,
        interval_seconds=options.log_interval_seconds,
    )
    router = HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(logging))
    return HttpConnectionManager(
        stat_prefix="local",
        route_config=RouteConfiguration(
            name="local",
            virtual_hosts=virtual_hosts(options.routes),
            ignore_port_in_host_matching=True,
        ),
        http_filters=[*(gate(options.gate) if options.gated else []), router],
        # Load generators and old clients speak HTTP/1.0, which need not name a host.
        http_protocol_options=Http1ProtocolOptions(
            accept_http_10=True, default_host_for_http_10="localhost"
        ),
        # WebSockets over HTTP/2 are extended CONNECT requests.
        http2_protocol_options=Http2ProtocolOptions(allow_connect=True),
        upgrade_configs=[HttpConnectionManagerUpgradeConfig(upgrade_type="websocket")],
        server_header_transformation=HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH,
        max_request_headers_kb=MAX_REQUEST_HEADERS_KIB,
        stream_idle_timeout=_NEVER,
        request_timeout=_NEVER,
    )


def _grpc(cluster: str) -> GrpcService:
    return GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=cluster))
