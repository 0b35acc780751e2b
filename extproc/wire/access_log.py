"""Access-log messages to plain values.

Follows envoy/service/accesslog/v3/als.proto. Must not know what the entries are counted for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from google.protobuf.message import DecodeError

from extproc.core.probe import Request
from extproc.wire.gen.accesslog_pb2 import AccessLogType
from extproc.wire.gen.als_pb2 import StreamAccessLogsMessage
from istio.contract import CLUSTER_TAG

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
LONGEST_ID = 64
"""Characters of a request id that are kept. Envoy's own has 36, but a client may choose it, and its
time tells two requests apart that are the same so far."""
LONGEST_MESSAGE = 160 * 1024
"""Bytes of a message that is read. Envoy sends what it has when that is 16 KiB, and the entry that
makes it more may have the 60 KiB of a request's headers twice: a path before and behind a route's
rewriting. The worst that can be made up of so many, 20,000 entries with a tag each, takes 6 ms to
parse, in one piece; empty entries take 2 ms."""
PIECE = 1024
"""Bytes whose parsing takes as long as one or two entries."""
METHODS = ("", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
"""envoy.config.core.v3.RequestMethod by number."""


class Moment(Enum):
    """Which part of a request's life an entry reports."""

    STARTED = AccessLogType.UpstreamPoolReady
    CONTINUED = AccessLogType.UpstreamPeriodic
    ENDED = AccessLogType.UpstreamEnd


_MOMENTS = {moment.value: moment for moment in Moment}


@dataclass(frozen=True, slots=True)
class Entry:
    """One log entry; `stream` names the request for as long as it lives, and no other."""

    moment: Moment
    cluster: str
    stream: str
    request: Request


def parse(message: bytes) -> Iterator[Entry | None]:
    """The entries of one message, and None for what is none and takes time all the same.

    That is an entry of another kind, and each piece of a message, be it readable or not: so whoever
    takes so many at once does not take for longer than that, whatever somebody sends.
    """
    for _ in range(len(message) // PIECE):
        yield None
    try:
        logs = StreamAccessLogsMessage.FromString(message).http_logs
    except DecodeError:
        return
    for entry in logs.log_entry:
        common, request = entry.common_properties, entry.request
        moment = _MOMENTS.get(common.access_log_type)
        cluster = common.custom_tags.get(CLUSTER_TAG) or common.upstream_cluster
        if not (moment and cluster):
            yield None
        else:
            known = 0 <= request.request_method < len(METHODS)
            method = METHODS[request.request_method] if known else ""
            # A route may have rewritten the path by now.
            path = request.original_path or request.path
            asked = Request(method, path, request.user_agent)
            # A client may choose the request id, and choose it twice; a retry has the same.
            start = common.start_time
            stream = f"{request.request_id[:LONGEST_ID]}/{start.seconds}.{start.nanos}"
            yield Entry(moment, cluster, stream, asked)
