"""Two small OTLP collectors on loopback, that remember what they are sent."""

from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

_SERVICES: dict[str, tuple[Any, Any]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": (
        traces.ExportTraceServiceRequest,
        traces.ExportTraceServiceResponse,
    ),
    "opentelemetry.proto.collector.metrics.v1.MetricsService": (
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
    ),
}


class Received:
    """What has been sent, flat."""

    def __init__(self):
        self.requests = []
        self.url = ""

    @property
    def spans(self):
        return [
            span
            for request in self.requests
            for resource in getattr(request, "resource_spans", ())
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self):
        return {
            metric.name: metric
            for request in self.requests
            for resource in getattr(request, "resource_metrics", ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    @property
    def resources(self):
        return [
            {each.key: each.value.string_value for each in part.resource.attributes}
            for request in self.requests
            for part in (
                *getattr(request, "resource_spans", ()),
                *getattr(request, "resource_metrics", ()),
            )
        ]


@contextmanager
def over_grpc():
    """Collect over gRPC."""
    received = Received()
    server = grpc.server(futures.ThreadPoolExecutor(2))

    def collect(request, answer):
        received.requests.append(request)
        return answer

    for service, (asked, answered) in _SERVICES.items():
        method = grpc.unary_unary_rpc_method_handler(
            lambda request, _, answered=answered: collect(request, answered()),
            request_deserializer=asked.FromString,
            response_serializer=answered.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(service, {"Export": method})
        server.add_generic_rpc_handlers((handler,))
    received.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(0).wait()


@contextmanager
def over_http():
    """Collect over HTTP."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            (asked, answered) = next(
                pair for name, pair in _SERVICES.items() if self.path[4:-1] in name.lower()
            )
            received.requests.append(asked.FromString(body))
            answer = answered().SerializeToString()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
