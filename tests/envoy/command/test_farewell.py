"""What clients that keep asking notice of the end: no request of theirs is cut."""

import asyncio
import signal
from collections import Counter

import pytest

pytestmark = pytest.mark.envoy

CLIENTS = 8
PAUSE = 0.005


async def ask_on(port: int, answers: Counter[int], ended: asyncio.Event) -> None:
    """Send request after request on kept connections until no new one can be made."""
    while not ended.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        answered = False
        try:
            while await ask(reader, writer, answers):
                answered = True
                await asyncio.sleep(PAUSE)
        except ConnectionResetError:
            # The kernel had taken it, and Envoy's listener closed before Envoy did: it is refused,
            # as one that comes a moment later is.
            if answered:
                raise
            return
        finally:
            writer.close()


async def ask(reader, writer, answers: Counter[int]) -> bool:
    """Send one request; tell whether the connection is kept."""
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
    await reader.readexactly(int(fields["content-length"]))
    answers[int(head.split()[1])] += 1
    return fields.get("connection") != "close"


async def test_no_request_is_cut_under_constant_load(run_layby, workload):
    """Between any two of them nothing seems to run, and yet the next one is on its way."""
    answers: Counter[int] = Counter()
    ended = asyncio.Event()
    async with run_layby(workload()) as layby, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(ask_on(layby.port, answers, ended))
        while answers.total() < 20 * CLIENTS:
            await asyncio.sleep(0.01)
        layby.interrupt()
        assert 0 == await layby.ends()
        ended.set()
    assert {200} == set(answers)


async def test_closed_terminal_ends_it_like_ctrl_c(run_layby, workload):
    """Its default is sudden death."""
    async with run_layby(workload()) as layby:
        layby.interrupt(signal.SIGHUP)
        assert 0 == await layby.ends()
        assert "draining" in layby.said
