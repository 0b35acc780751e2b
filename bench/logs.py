"""Access logs into one hold server: what counting a warm request costs it, without a network."""

import time
from typing import Any, cast

import grpc

from bench.direct import CLUSTER
from extproc.access_log import AccessLog, Context
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.wire.gen.accesslog_pb2 import AccessLogType
from extproc.wire.gen.als_pb2 import StreamAccessLogsMessage
from istio.contract import CLUSTER_TAG

KEY = WorkloadKey("bench", "warm")
AT_ONCE = 50
"""Requests in a message, each with an entry for its beginning and one for its end."""


async def measure(count: int) -> dict[str, Any]:
    """Have `count` requests counted, and report."""
    log = AccessLog({CLUSTER: KEY}.get)
    workload = Workload(KEY, Hold(60.0, 1000, None))
    log.replace({KEY: workload})
    stream = _Stream([message(number) for number in range(count // AT_ONCE)])
    before = time.process_time()
    await log.receive(None, cast("Context", stream))
    took = time.process_time() - before
    counted = log.demand(KEY, 0)
    return {
        "requests": counted.requests,
        "left_open": counted.in_flight,
        "requests_per_cpu_second": round(counted.requests / took),
        "us_per_request": round(took / counted.requests * 1e6, 1),
    }


def message(number: int) -> bytes:
    """Encode what an Envoy sends of some requests that it has served."""
    made = StreamAccessLogsMessage()
    for kind in (AccessLogType.UpstreamPoolReady, AccessLogType.UpstreamEnd):
        for each in range(AT_ONCE):
            entry = made.http_logs.log_entry.add()
            entry.common_properties.access_log_type = kind
            entry.common_properties.start_time.seconds = 1_800_000_000
            entry.common_properties.upstream_cluster = CLUSTER
            entry.common_properties.custom_tags[CLUSTER_TAG] = CLUSTER
            entry.request.request_id = f"{number:08}-0000-4000-8000-{each:012}"
            entry.request.path = "/cart/items?limit=20"
            entry.request.user_agent = "bench/1.0"
    return made.SerializeToString()


class _Stream:
    """A stream that says what it has to say and ends."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = iter(messages)

    async def read(self) -> object:
        return next(self._messages, grpc.aio.EOF)
