"""When a workload counts as ready: real sockets, real answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from istio.address import TcpAddress
from local.address import free_port
from local.config import ReadinessConfig
from local.readiness import Readiness

HTTP = ReadinessConfig(http="/ready?full=1", interval=0.001)
TCP = ReadinessConfig(interval=0.001)


class Server:
    """Gives each connection the next of its answers; the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[bytes] = []
        self.port = 0
        self.accepted = 0
        self.served = 0
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.accepted += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        with suppress(OSError, EOFError):
            if answer:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.served += 1


@asynccontextmanager
async def running(*answers: bytes, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Run a server, and see it through with all who came, of whom there must be one."""
    server = Server(*answers)
    async with await asyncio.start_server(server.serve, host, port) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server
        async with asyncio.timeout(2):
            while server.served < max(1, server.accepted):
                await asyncio.sleep(0)


async def passed(config: ReadinessConfig, port: int) -> TcpAddress:
    """Wait for readiness, but not for ever."""
    async with asyncio.timeout(2):
        return await Readiness(config, port).passed()


async def test_a_connection_is_enough_for_tcp():
    """Any server has that much."""
    async with running(b"") as server:
        assert TcpAddress("127.0.0.1", server.port) == await passed(TCP, server.port)


@pytest.mark.parametrize("config", [TCP, HTTP])
async def test_server_that_listens_on_ipv6_only_is_found(config: ReadinessConfig):
    """`localhost` is ::1 first for Node and all that is built on it."""
    async with running(b"HTTP/1.1 200 OK\r\n\r\n", host="::1") as server:
        assert TcpAddress("::1", server.port) == await passed(config, server.port)


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
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(passed(TCP, port))
        await asyncio.sleep(0)
        async with running(b"", port=port):
            assert TcpAddress("127.0.0.1", port) == await waiting


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 503 Not yet\r\n\r\n", ": 503"),
        (b"SSH-2.0-OpenSSH\r\n", ": no HTTP/1.1 answer"),
    ],
)
async def test_what_was_answered_is_told(answer: bytes, expected: str, eventually: Any):
    """It explains why a workload that runs is not ready."""
    async with running(answer) as server, asyncio.TaskGroup() as tasks:
        readiness = Readiness(ReadinessConfig(http="/ready", interval=60), server.port)
        waiting = tasks.create_task(readiness.passed())

        await eventually(lambda: str(readiness).endswith(expected))
        waiting.cancel()

    assert f"http 127.0.0.1:{server.port}/ready{expected}" == str(readiness)


async def test_what_is_tried_is_told():
    """For TCP there is no more to say."""
    assert str(Readiness(TCP, 5)) == "tcp 127.0.0.1:5"
