"""When a workload counts as ready: real sockets, real answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.address import Address, free_port
from local.config import ReadinessConfig
from local.readiness import Readiness

HTTP = ReadinessConfig(http="/ready?full=1", interval=0.001)
TCP = ReadinessConfig(interval=0.001)


class Server:
    """Gives each connection the next of its answers; the last one again and again."""

    def __init__(self, *answers: bytes, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.host = host
        self.port = 0
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
        writer.close()


@asynccontextmanager
async def running(*answers: bytes, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Run a server on a free port."""
    server = Server(*answers, host=host)
    listener = await asyncio.start_server(server.serve, host, 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


async def passed(config: ReadinessConfig, port: int) -> Address:
    """Wait for readiness, but not for ever."""
    async with asyncio.timeout(2):
        return await Readiness(config, port).passed()


async def test_a_connection_is_enough_for_tcp():
    """Any server has that much."""
    async with running(b"") as server:
        assert Address("127.0.0.1", server.port) == await passed(TCP, server.port)


@pytest.mark.parametrize("config", [TCP, HTTP])
async def test_server_that_listens_on_ipv6_only_is_found(config: ReadinessConfig):
    """`localhost` is ::1 first for Node and all that is built on it."""
    async with running(b"HTTP/1.1 200 OK\r\n\r\n", host="::1") as server:
        assert Address("::1", server.port) == await passed(config, server.port)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 204\r\n\r\n", b"HTTP/1.1 302 Found\r\n\r\n"]
)
async def test_2xx_and_3xx_are_ready(answer: bytes):
    """As in a Kubernetes probe."""
    async with running(answer) as server:
        await passed(HTTP, server.port)

    assert server.requests[0].startswith(b"GET /ready?full=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"",
        b"\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 abc\r\n",
        b"HTTP/1.1 \xff\xff\xff\r\n",
        b"x" * 100_000,
    ],
)
async def test_any_other_answer_means_not_yet(answer: bytes):
    """The next attempt may be luckier; none must end the waiting."""
    async with running(answer, answer, b"HTTP/1.1 200 OK\r\n\r\n") as server:
        assert server.port == (await passed(HTTP, server.port)).port


async def test_nobody_there_means_not_yet():
    """A workload needs a while until it listens."""
    port = free_port()
    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(Readiness(TCP, port).passed())
        await asyncio.sleep(0)
        listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        async with listener:
            assert Address("127.0.0.1", port) == await waiting


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 503 Not yet\r\n\r\n", ": 503"),
        (b"SSH-2.0-OpenSSH\r\n", ": no HTTP/1.1 answer"),
    ],
)
async def test_what_was_answered_is_told(answer: bytes, expected: str):
    """It explains why a workload that runs is not ready."""
    async with running(answer) as server:
        readiness = Readiness(HTTP, server.port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await readiness.passed()

    assert f"http 127.0.0.1:{server.port}/ready?full=1{expected}" == str(readiness)


async def test_what_is_tried_is_told():
    """For TCP there is no more to say."""
    assert str(Readiness(TCP, 5)) == "tcp 127.0.0.1:5"
