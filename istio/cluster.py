"""Clusters a plain Envoy reaches a hold server by: addresses, protocols, limits.

Owns what keeps a parked request safe below the gate: breakers, keepalive, ejection.
Must not know workloads or the filters that use the cluster.
"""

from collections.abc import Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
    OutlierDetection,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Pipe,
    SocketAddress,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    Endpoint as EnvoyEndpoint,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Any

from istio.address import Endpoint, TcpAddress, UnixAddress

UNBOUNDED = 1_000_000
_CONNECT_TIMEOUT = timedelta(seconds=1)


def hold_cluster(
    name: str,
    endpoints: Sequence[Endpoint],
    *,
    by_name: bool = False,
    keepalive_interval_seconds: float = 2.0,
    keepalive_timeout_seconds: float = 1.0,
) -> Cluster:
    """Return the cluster of the hold servers: HTTP/2, quick to notice one that is frozen.

    A dead server closes its connection. A frozen one only leaves a ping unanswered, which takes
    up to the interval and the timeout together, and its kernel accepts the next connection. With
    `by_name` hosts may be DNS names, each of all the servers behind it.
    """
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if by_name else ClusterDiscoveryType.STATIC,
        connect_timeout=_CONNECT_TIMEOUT,
        circuit_breakers=unbounded_breakers(),
        outlier_detection=_ejection(),
        typed_extension_protocol_options=http2_upstream(
            KeepaliveSettings(
                interval=timedelta(seconds=keepalive_interval_seconds),
                timeout=timedelta(seconds=keepalive_timeout_seconds),
            )
        ),
        load_assignment=load_assignment(name, endpoints),
    )


def _ejection() -> OutlierDetection:
    """Avoid a server after one failure, for seconds, even if that leaves none.

    With all of them ejected Envoy uses all of them. At 50 % one server that is back but still
    ejected would shield the other, now dead, from ejection: every request then goes to that one.
    """
    return OutlierDetection(
        consecutive_5xx=1,
        interval=timedelta(seconds=1),
        base_ejection_time=timedelta(seconds=5),
        max_ejection_time=timedelta(seconds=30),
        max_ejection_percent=100,
    )


def unbounded_breakers() -> CircuitBreakers:
    """Return breakers that never open in practice.

    Each parked request is one active request, and all of a dead server's requests are retried at
    once: the defaults (1,024 requests, 3 retries) would lose them.
    """
    return CircuitBreakers(
        thresholds=[
            CircuitBreakersThresholds(
                max_connections=UNBOUNDED,
                max_pending_requests=UNBOUNDED,
                max_requests=UNBOUNDED,
                max_retries=UNBOUNDED,
                track_remaining=True,
            )
        ]
    )


def http2_upstream(keepalive: KeepaliveSettings | None = None) -> dict[str, Any]:
    """Return the cluster extension that makes its connections HTTP/2."""
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http2_protocol_options=Http2ProtocolOptions(connection_keepalive=keepalive)
        )
    )
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": Any.pack(options)}


def load_assignment(cluster: str, endpoints: Sequence[Endpoint]) -> ClusterLoadAssignment:
    """Return the endpoints of `cluster`; none at all leaves the cluster known but empty."""
    members = [
        LbEndpoint(endpoint=EnvoyEndpoint(address=envoy_address(endpoint)))
        for endpoint in endpoints
    ]
    return ClusterLoadAssignment(
        cluster_name=cluster,
        endpoints=[LocalityLbEndpoints(lb_endpoints=members)] if members else [],
    )


def envoy_address(endpoint: Endpoint) -> Address:
    """Return Envoy's form of an address."""
    match endpoint:
        case TcpAddress(host, port):
            return Address(socket_address=SocketAddress(address=host, port_value=port))
        case UnixAddress(path):
            return Address(pipe=Pipe(path=path))
