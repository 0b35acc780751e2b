"""The gRPC servers: services, health and the limits that a burst of held requests needs.

Must not know what the services do.
"""

from collections.abc import Sequence
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME
from grpc_health.v1.health import aio as grpc_health

MANY = 1_000_000
LIVENESS = "liveness"
"""The health service's name for this process itself: serving for as long as its event loop turns,
however little it knows yet."""
OPTIONS: tuple[tuple[str, int], ...] = (
    # A burst is parked, not refused by gRPC: the hold queue has bounds of its own.
    ("grpc.server.max_pending_requests", MANY),
    ("grpc.server.max_pending_requests_hard_limit", MANY),
    # Envoy finds out by pings that a hold server is frozen or cut off; none of them is abuse.
    ("grpc.http2.max_ping_strikes", 0),
    # And the server finds out that an Envoy is, whose clients have then left.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Two servers on one port would each get half of the streams.
    ("grpc.so_reuseport", 0),
)


class Server:
    """A gRPC server with the standard health service, NOT_SERVING until it has started."""

    def __init__(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._health = grpc_health.HealthServicer()
        self._server.add_generic_rpc_handlers((*handlers, _handler(self._health)))

    def listen(self, address: str) -> int:
        """Bind `host:port` or `unix:/path`; return the port (0 asks for a free one).

        Raises:
            OSError: the address cannot be bound.
        """
        return bind(self._server, address)

    async def start(self) -> None:
        """Begin to serve."""
        states = health_pb2.HealthCheckResponse
        await self._health.set("", states.NOT_SERVING)
        await self._health.set(LIVENESS, states.SERVING)
        await self._server.start()

    async def serving(self, *, ready: bool) -> None:
        """Tell health checks whether to send requests here."""
        states = health_pb2.HealthCheckResponse
        await self._health.set("", states.SERVING if ready else states.NOT_SERVING)

    async def stop(self, grace: float) -> None:
        """Take no new stream, tell clients to go elsewhere, cut what remains after `grace` s."""
        await self._server.stop(grace)


def _handler(health: grpc_health.HealthServicer) -> grpc.GenericRpcHandler:
    """The health service, without its methods being registered.

    grpc.aio waits for the next call of each registered method anew whenever any call comes: with
    those of the generated `add_HealthServicer_to_server`, parking a request would cost 5 % more.
    """
    asked = health_pb2.HealthCheckRequest.FromString
    said = health_pb2.HealthCheckResponse.SerializeToString
    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(health.Check, asked, said),
        "Watch": grpc.unary_stream_rpc_method_handler(health.Watch, asked, said),
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, methods)


class Service(Protocol):
    """What a `ServiceServer` serves."""

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, to be added to a server."""

    def close(self) -> None:
        """End every stream with OK."""


class ServiceServer:
    """A gRPC server with one service and no health, for a port that is not Envoy's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((service.handler(),))

    def listen(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind `host:port`, in plain text without `credentials`; return the port (0: a free one).

        Raises:
            OSError: the address cannot be bound.
        """
        return bind(self._server, address, credentials)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """End streams with OK, send clients elsewhere, cut what remains after `grace` s.

        Within the grace gRPC waits for handlers that end by themselves: with 500 streams on a busy
        machine none has been seen to end otherwise.
        """
        self._service.close()
        await self._server.stop(grace)


def bind(
    server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None
) -> int:
    """Have `server` listen, in plain text without `credentials`; return the port.

    Raises:
        OSError: the address cannot be bound.
    """
    try:
        if credentials:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
