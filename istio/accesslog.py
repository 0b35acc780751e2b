"""The log by which hold servers learn of demand: requests that begin, go on and end upstream.

It is the router's own upstream log. The connection manager's logs have one set of options for all
of them: entries for beginnings would double everybody's logs.

Must not know who counts them.
"""

from datetime import timedelta

from envoy_data_plane.envoy.config.accesslog.v3 import AccessLog
from envoy_data_plane.envoy.config.core.v3 import ApiVersion, GrpcService, GrpcServiceEnvoyGrpc
from envoy_data_plane.envoy.extensions.access_loggers.grpc.v3 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import (
    Router,
    RouterUpstreamAccessLogOptions,
)
from envoy_data_plane.envoy.type.tracing.v3 import CustomTag
from envoy_data_plane.google.protobuf import Any

from istio.contract import CLUSTER_TAG

LOG_NAME = "layby"
FLUSH_SECONDS = 0.5
INTERVAL_SECONDS = 5.0
"""How often a request that goes on is logged again; see `FORGOTTEN_AFTER` of the hold server."""


def demand_log(cluster_name: str, flush_seconds: float) -> AccessLog:
    """Return the log that goes to the hold servers; entries wait `flush_seconds` at most."""
    config = HttpGrpcAccessLogConfig(
        common_config=CommonGrpcAccessLogConfig(
            log_name=LOG_NAME,
            grpc_service=GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=cluster_name)),
            transport_api_version=ApiVersion.V3,
            buffer_flush_interval=timedelta(seconds=flush_seconds),
            custom_tags=[CustomTag(tag=CLUSTER_TAG, value="%UPSTREAM_CLUSTER_RAW%")],
        )
    )
    return AccessLog(name="envoy.access_loggers.http_grpc", typed_config=Any.pack(config))


def logging_router(
    cluster_name: str,
    *,
    flush_seconds: float = FLUSH_SECONDS,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Router:
    """Return the router's part: what to merge into one that is there already.

    Entries are made when a request has its connection, every `interval_seconds`, and at its end.
    """
    return Router(
        upstream_log=[demand_log(cluster_name, flush_seconds)],
        upstream_log_options=RouterUpstreamAccessLogOptions(
            flush_upstream_log_on_upstream_stream=True,
            upstream_log_flush_interval=timedelta(seconds=interval_seconds),
        ),
    )
