"""The access log by which hold servers learn of demand: requests that begin, go on and end.

Must not know who counts them.
"""

from datetime import timedelta

from envoy_data_plane.envoy.config.accesslog.v3 import AccessLog
from envoy_data_plane.envoy.config.core.v3 import ApiVersion, GrpcService, GrpcServiceEnvoyGrpc
from envoy_data_plane.envoy.extensions.access_loggers.grpc.v3 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
)
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerHcmAccessLogOptions,
)
from envoy_data_plane.envoy.type.tracing.v3 import CustomTag
from envoy_data_plane.google.protobuf import Any

CLUSTER_TAG = "layby.cluster"
"""The tag that names the cluster: Envoy's own field for that is empty when a request begins,
and later holds the name for statistics, to which istiod adds a semicolon."""
LOG_NAME = "layby"


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


def log_options(interval_seconds: float) -> HttpConnectionManagerHcmAccessLogOptions:
    """Return when entries are made: at the beginning, every `interval_seconds`, at the end."""
    return HttpConnectionManagerHcmAccessLogOptions(
        flush_access_log_on_new_request=True,
        access_log_flush_interval=timedelta(seconds=interval_seconds),
    )


def logging_manager(
    cluster_name: str, *, flush_seconds: float, interval_seconds: float
) -> HttpConnectionManager:
    """Return what to merge into a connection manager that is there already."""
    return HttpConnectionManager(
        access_log=[demand_log(cluster_name, flush_seconds)],
        access_log_options=log_options(interval_seconds),
    )
