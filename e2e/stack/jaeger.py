"""Jaeger in a running stack: it takes spans over OTLP and keeps them in memory.

Owns its flags, its address and its API. Must not know who sends.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from e2e.stack.binaries import obtain
from e2e.stack.controlplane import answers
from e2e.stack.processes import Child, Children

HOST = "192.0.2.46"
OTLP = f"http://{HOST}:4317"
"""For OTEL_EXPORTER_OTLP_ENDPOINT, over gRPC."""
API = f"http://{HOST}:16686"
PROGRAM = "jaeger-all-in-one"
_NOT_FOUND = 404
_LOOKBACK_MICROSECONDS = 3_600_000_000
_PORTS = {
    "collector.otlp.grpc": 4317,
    "collector.otlp.http": 4318,
    "collector.grpc-server": 14250,
    "collector.http-server": 14268,
    "query.http-server": 16686,
    "query.grpc-server": 16685,
    "admin.http": 14269,
}


@dataclass(frozen=True, slots=True)
class Span:
    """A span as Jaeger tells it."""

    trace_id: str
    span_id: str
    name: str
    service: str
    parent: str
    links: tuple[tuple[str, str], ...]
    """Trace and span of each."""
    tags: Mapping[str, Any]
    events: tuple[str, ...]
    """Their names, in the order of their times."""


class Jaeger:
    """A Jaeger."""

    def __init__(self, children: Children) -> None:
        """Start it, without waiting until it is ready."""
        flags = [f"--{name}.host-port={HOST}:{port}" for name, port in _PORTS.items()]
        self.child: Child = children.add(
            "jaeger",
            [obtain(PROGRAM), *flags, "--log-level=warn"],
            ready=answers(f"http://{HOST}:{_PORTS['admin.http']}/"),
            environment={"SPAN_STORAGE_TYPE": "memory"},
        )

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace; none if it is not known."""
        return [span for found in _ask(f"/api/traces/{trace_id}") for span in _spans(found)]

    def search(self, service: str, operation: str, tags: Mapping[str, str]) -> list[str]:
        """Return the traces with a span of that name and these tags, of the last hour."""
        now = int(time.time() * 1e6)
        asked = {"service": service, "operation": operation, "tags": json.dumps(tags)}
        span = {"start": now - _LOOKBACK_MICROSECONDS, "end": now, "limit": 50}
        return [each["traceID"] for each in _ask(f"/api/traces?{urlencode({**asked, **span})}")]


def _ask(path: str) -> list[Any]:
    try:
        with urllib.request.urlopen(f"{API}{path}", timeout=10) as answer:
            return list(json.load(answer)["data"] or ())
    except urllib.error.HTTPError as error:
        if error.code != _NOT_FOUND:
            raise
        return []


def _spans(trace: Mapping[str, Any]) -> Iterator[Span]:
    for span in trace["spans"]:
        process = trace["processes"][span["processID"]]
        references = span.get("references") or ()
        parents = [each for each in references if each["refType"] == "CHILD_OF"]
        events = sorted(span.get("logs") or (), key=lambda each: each["timestamp"])
        yield Span(
            trace_id=span["traceID"],
            span_id=span["spanID"],
            name=span["operationName"],
            service=process["serviceName"],
            parent=parents[0]["spanID"] if parents else "",
            links=tuple(
                (each["traceID"], each["spanID"])
                for each in references
                if each["refType"] == "FOLLOWS_FROM"
            ),
            tags=_tags(span["tags"]),
            events=tuple(_tags(each["fields"]).get("event", "") for each in events),
        )


def _tags(pairs: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}
