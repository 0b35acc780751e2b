"""An ExternalScaler of somebody else's: a number that a test sets, served to KEDA.

Owns its few messages, written by hand so that no code of Layby's is trusted. Must not know what it
scales.
"""

import queue
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

_SERVICE = "externalscaler.ExternalScaler"
_METRIC = b"demand"
_THREADS = 16
"""Each ScaledObject's stream takes one."""
_LOOK_SECONDS = 0.05


class Scaler:
    """A demand, of which each replica takes one; a push trigger hears of it at once if it is to."""

    def __init__(self) -> None:
        self.demand = 0.0
        """What KEDA is told when it asks."""
        self.streams = 0
        """How many have been opened so far."""
        self._pushed: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def push(self, demand: float) -> None:
        """Set the demand, and tell KEDA."""
        self.demand = demand
        self._pushed.put(self._active())

    @contextmanager
    def served(self, address: str) -> Iterator[None]:
        """Serve it at an address with a port while a block runs."""
        with ThreadPoolExecutor(_THREADS, "scaler") as threads:
            server = grpc.server(threads)
            server.add_generic_rpc_handlers([self._handler()])
            server.add_insecure_port(address)
            server.start()
            try:
                yield
            finally:
                server.stop(None).wait()

    def _handler(self) -> grpc.GenericRpcHandler:
        answers = {
            "IsActive": lambda _request, _context: self._active(),
            "GetMetricSpec": lambda _request, _context: _metric(1.0),
            "GetMetrics": lambda _request, _context: _metric(self.demand),
        }
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            name: grpc.unary_unary_rpc_method_handler(call) for name, call in answers.items()
        }
        methods["StreamIsActive"] = grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(_SERVICE, methods)

    def _active(self) -> bytes:
        """Encode `{bool result = 1}`."""
        return b"\x08\x01" if self.demand else b""

    def _stream(self, _request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.streams += 1
        while context.is_active():
            try:
                yield self._pushed.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue


def _metric(value: float) -> bytes:
    """Encode a list of one `{string metricName = 1; double metricValueFloat = 3}`.

    A MetricSpec has its targetSizeFloat where a MetricValue has that.
    """
    metric = b"\x0a" + bytes([len(_METRIC)]) + _METRIC + b"\x19" + struct.pack("<d", value)
    return b"\x0a" + bytes([len(metric)]) + metric
