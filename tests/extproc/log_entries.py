"""Entries of access logs as Envoy sends them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from envoy_data_plane.envoy.data.accesslog.v3 import (
    AccessLogCommon,
    AccessLogType,
    HttpAccessLogEntry,
    HttpRequestProperties,
)
from envoy_data_plane.envoy.service.accesslog.v3 import (
    StreamAccessLogsMessage,
    StreamAccessLogsMessageHttpAccessLogEntries,
    StreamAccessLogsMessageTcpAccessLogEntries,
)

from istio.contract import CLUSTER_TAG
from tests.extproc.fake_envoy import CLUSTER

START, PERIODIC, END = (
    AccessLogType.UpstreamPoolReady,
    AccessLogType.UpstreamPeriodic,
    AccessLogType.UpstreamEnd,
)
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


def entry(
    kind: AccessLogType, stream: str = "s1", *, begun: float = 0.0, **request: Any
) -> HttpAccessLogEntry:
    """A log entry as Envoy's router writes it."""
    common = AccessLogCommon(
        access_log_type=kind,
        start_time=NOON + timedelta(seconds=begun),
        upstream_cluster=CLUSTER,
        custom_tags={CLUSTER_TAG: CLUSTER},
        route_name="default",
    )
    return HttpAccessLogEntry(
        common_properties=common,
        request=HttpRequestProperties(path="/", request_id=stream, **request),
    )


def message(*entries: HttpAccessLogEntry) -> bytes:
    """Some entries, sent together."""
    logs = StreamAccessLogsMessageHttpAccessLogEntries(log_entry=list(entries))
    return bytes(StreamAccessLogsMessage(http_logs=logs))


def tcp_message() -> bytes:
    """What another logger of the same Envoy might send."""
    return bytes(StreamAccessLogsMessage(tcp_logs=StreamAccessLogsMessageTcpAccessLogEntries()))
