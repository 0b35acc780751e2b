import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2

from extproc.server import LIVENESS, Server

Status = health_pb2.HealthCheckResponse
ECHO = "layby.test.Echo"
MANIFEST = Path(__file__).parents[2] / "deploy" / "manifests" / "extproc.yaml"


async def echo(message: bytes, _context: object) -> bytes:
    """Give back what came."""
    return message


@pytest.fixture
def hanging():
    """Set once a call hangs."""
    return asyncio.Event()


@pytest.fixture
async def server(hanging):
    async def hang(_message: bytes, _context: object) -> bytes:
        hanging.set()
        return await asyncio.Future()

    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        name: grpc.unary_unary_rpc_method_handler(method)
        for name, method in {"Echo": echo, "Hang": hang}.items()
    }
    server = Server([grpc.method_handlers_generic_handler(ECHO, methods)])
    yield server
    await server.stop(0)


@asynccontextmanager
async def channel_to(address):
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


async def health(channel, service=""):
    """What a health check is told."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=Status.FromString,
    )
    return (await check(health_pb2.HealthCheckRequest(service=service), timeout=5)).status


async def test_it_is_healthy_only_while_it_is_said_to_be(server):
    """Nobody must be sent here before the workloads are known, nor once the drain has begun."""
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with channel_to(f"127.0.0.1:{port}") as channel:
        assert await health(channel) == Status.NOT_SERVING
        await server.serving(ready=True)
        assert await health(channel) == Status.SERVING
        await server.serving(ready=False)
        assert await health(channel) == Status.NOT_SERVING


async def test_it_is_alive_whatever_it_knows_and_even_while_it_drains(server):
    """A kubelet that thinks otherwise kills it, and all that it has parked."""
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with channel_to(f"127.0.0.1:{port}") as channel:
        assert await health(channel, LIVENESS) == Status.SERVING
        for ready in (True, False):
            await server.serving(ready=ready)
            assert await health(channel, LIVENESS) == Status.SERVING


def test_the_manifest_asks_for_what_is_served():
    """For any other name the answer is NOT_FOUND, which a kubelet takes for death."""
    objects = yaml.safe_load_all(MANIFEST.read_text())
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert LIVENESS == container["livenessProbe"]["grpc"]["service"]
    assert "service" not in container["readinessProbe"]["grpc"]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_it_serves_the_services_that_it_was_given(server, tmp_path, kind):
    """Over a port in a mesh, over a socket in local mode."""
    address = f"unix:{tmp_path}/s" if kind == "unix" else "127.0.0.1:0"
    port = server.listen(address)
    await server.start()
    target = address if kind == "unix" else f"127.0.0.1:{port}"
    async with channel_to(target) as channel:
        assert await channel.unary_unary(f"/{ECHO}/Echo")(b"hello", timeout=5) == b"hello"


@pytest.mark.parametrize("address", ["taken", "nowhere:0", "unix:/no/such/folder/socket"])
async def test_an_address_that_cannot_be_bound_is_an_os_error_that_names_it(server, address):
    """Two servers on one port would each get half of the streams, and nobody would know."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        if address == "taken":
            address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match="cannot listen on") as raised:
            server.listen(address)
        assert address in str(raised.value)


async def test_stopping_cuts_what_remains_after_the_grace(server, hanging):
    """A stream that never ends must not keep the process alive."""
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with channel_to(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{ECHO}/Hang")(b"")
        await hanging.wait()
        await server.stop(0.05)
        async with asyncio.timeout(5):
            assert await call.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
