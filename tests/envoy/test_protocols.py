"""Each protocol through a cold start: the workload does not run when the request is sent."""

import asyncio
import http.client
from collections import Counter
from contextlib import asynccontextmanager

import grpc
import pytest
import websockets

from bench.client import Crowd
from local.supervisor import Phase

pytestmark = pytest.mark.envoy


async def test_http1(run_mesh, workload):
    """The client is a browser of twenty years ago, and needs to know of nothing."""
    async with run_mesh(workload()) as running:
        answer, body = await running.get_http1("/any?thing=1")
        assert (200, 1) == (answer.status, running.supervisor().wakes)
        assert body.startswith(b"ok ")


async def test_http1_connection_goes_on_after_a_cold_start(run_mesh, workload):
    """A client's pool must not be emptied by our parking."""
    async with run_mesh(workload(idle={"after": "100ms"})) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)

        def get():
            connection.request("GET", "/")
            return connection.getresponse().read()

        try:
            first = await asyncio.to_thread(get)
            connected = connection.sock
            await running.asleep()
            second = await asyncio.to_thread(get)
            assert connected is connection.sock
        finally:
            connection.close()
        assert first != second
        assert 2 == running.supervisor().wakes


async def test_http2(run_mesh, workload):
    """Many streams of one connection wait at once, with prior knowledge of HTTP/2 in the clear."""
    async with run_mesh(workload()) as running, running.crowd(50) as crowd:
        assert 1 == len(crowd.connections)
        assert Counter({200: 50}) == await crowd.statuses()
        assert 1 == running.supervisor().wakes


async def test_http2_of_a_warm_workload_is_not_behind_one_that_wakes(run_mesh, workload, gate):
    """A parked stream must not hold up the connection it shares."""
    configs = [
        workload("web", "--open-when", gate, name="cold", prefixes=["/cold"]),
        workload(name="warm"),
    ]
    async with run_mesh(*configs) as running:
        assert 200 == (await running.get("/")).status
        async with running.crowd(1, "/cold") as crowd:
            await running.parked(1)
            shared = crowd.connections[0]
            answer = await asyncio.wait_for(shared.request("/", ()), 5)
            assert 200 == answer.status
            gate.touch()
            assert Counter({200: 1}) == await crowd.statuses()


@asynccontextmanager
async def channel(running):
    """A gRPC channel to Envoy that tries nothing again by itself."""
    target = f"127.0.0.1:{running.port}"
    async with grpc.aio.insecure_channel(target, [("grpc.enable_retries", 0)]) as opened:
        yield opened


async def test_grpc_unary(run_mesh, workload):
    """GRPC clients know nothing of HTTP's 503: they must simply be answered."""
    async with (
        run_mesh(workload("rpc", protocol="http2")) as running,
        channel(running) as opened,
    ):
        say = opened.unary_unary("/test.Echo/Say")
        assert b"hello" == await say(b"hello", timeout=20)
        assert 1 == running.supervisor().wakes


async def test_grpc_stream(run_mesh, workload):
    """Messages arrive one by one, and keep the workload up for longer than it may idle."""
    config = workload("rpc", protocol="http2", idle={"after": "200ms"})
    async with run_mesh(config) as running, channel(running) as opened:
        count = opened.unary_stream("/test.Echo/Count")
        clock = asyncio.get_running_loop().time
        got = [(number, clock()) async for number in count(bytes(range(10)), timeout=20)]
        assert [bytes([number]) for number in range(10)] == [number for number, _ in got]
        assert got[-1][1] - got[0][1] > 0.5
        assert 1 == running.supervisor().wakes
        await running.asleep()


async def test_grpc_client_understands_that_its_workload_cannot_start(run_mesh, workload, tmp_path):
    """UNAVAILABLE is the status that gRPC clients try again on; a bare 503 is not."""
    config = workload("crash", tmp_path / "starts", protocol="http2")
    async with run_mesh(config) as running, channel(running) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await opened.unary_unary("/test.Echo/Say")(b"hello", timeout=20)
    error = raised.value
    assert grpc.StatusCode.UNAVAILABLE is error.code()
    assert "exited with code 7" in str(error.details())
    assert "no database at db.shop:5432" in str(error.details())
    assert ("x-layby-reason", "cannot-start") in tuple(error.trailing_metadata() or ())


async def test_grpc_client_understands_that_patience_ended(run_mesh, workload, gate):
    """The hold's timeout is a deadline, whoever set it."""
    config = workload("web", "--open-when", gate, protocol="http2", hold={"timeout": "200ms"})
    async with run_mesh(config) as running, channel(running) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await opened.unary_unary("/test.Echo/Say")(b"hello", timeout=20)
    assert grpc.StatusCode.DEADLINE_EXCEEDED is raised.value.code()
    assert "timeout: web could not take the request" in str(raised.value.details())


async def test_grpc_clients_own_deadline_frees_its_place(run_mesh, workload, gate):
    """A client that has given up must not be woken for."""
    config = workload("web", "--open-when", gate, protocol="http2")
    async with run_mesh(config) as running, channel(running) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await opened.unary_unary("/test.Echo/Say")(b"hello", timeout=0.3)
        assert grpc.StatusCode.DEADLINE_EXCEEDED is raised.value.code()
        await running.parked(0)


async def test_websocket(run_mesh, workload):
    """An upgrade is a request like any other, until it is answered; then it is a connection."""
    config = workload("sockets", idle={"after": "200ms"})
    async with run_mesh(config) as running:
        address = f"ws://127.0.0.1:{running.port}/chat"
        async with websockets.connect(address, open_timeout=20) as socket:
            await socket.send("hello")
            assert "hello" == await socket.recv()
            # Silent for longer than the workload may idle.
            await socket.send("0.8:still there")
            assert "0.8:still there" == await socket.recv()
            assert Phase.WARM is running.supervisor().phase
        assert 1 == running.supervisor().wakes
        await running.asleep()


async def test_server_sent_events(run_mesh, workload, clock):
    """Events arrive one by one; the stream alone keeps the workload up, and its end lets it go."""
    events: list[tuple[float, str]] = []

    def read(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/events?n=8&every=0.15", headers={"accept": "text/event-stream"})
        lines = (line.decode() for line in connection.getresponse())
        # `extend` appends one by one, each with the time of its arrival.
        events.extend((clock(), line) for line in lines if line.startswith("data:"))
        connection.close()

    async with run_mesh(workload("web", "--abrupt", idle={"after": "200ms"})) as running:
        await asyncio.to_thread(read, running.port)
        assert 1 == running.supervisor().wakes
        await running.asleep()
    fields = [text.split()[1:] for _, text in events]
    assert [str(number) for number in range(8)] == [number for number, _, _ in fields]
    assert 1 == len({pid for _, _, pid in fields})
    delays = [
        arrived - float(sent) for (arrived, _), (_, sent, _) in zip(events, fields, strict=True)
    ]
    assert max(delays) < 0.15


async def test_crowd_of_both_protocols(run_mesh, workload):
    """One workload is asked by all kinds of clients at once."""
    async with run_mesh(workload()) as running:
        crowd = Crowd()
        await crowd.send(running.port, 20)
        old = [asyncio.create_task(running.get_http1()) for _ in range(10)]
        assert Counter({200: 20}) == await crowd.statuses()
        assert [200] * 10 == [answer.status for answer, _ in await asyncio.gather(*old)]
        crowd.close()
        assert 1 == running.supervisor().wakes
