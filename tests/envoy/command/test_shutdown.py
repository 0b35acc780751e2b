"""The command as a process of its own: how it ends, and what its clients notice of it."""

import asyncio
import os
import signal
import socket
import time

import grpc
import pytest

from cli.session import ECHO

pytestmark = pytest.mark.envoy

LARGE = 3_500_000
"""Bytes of an answer: more than the kernel keeps for a client that does not read, and so little
more that Envoy has taken all of it."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_parked_request_is_answered_before_the_end(run_layby, workload, gate, until, number):
    """Ctrl-C in the wrong moment must cost nobody a request."""
    async with (
        run_layby(workload("web", "--open-when", gate)) as layby,
        layby.request() as answering,
    ):
        await until(lambda: layby.started("web.py"))
        layby.interrupt(number)
        await layby.says("draining: 1 parked")
        assert not answering.done()
        gate.touch()
        assert 200 == (await answering).status
        assert 0 == await layby.ends()


async def test_running_request_ends_first(run_layby, workload, tmp_path, until):
    """What a workload has begun, it may finish."""
    begun, when = tmp_path / "begun", tmp_path / "when"
    path = f"/finish?begun={begun}&when={when}"
    async with run_layby(workload()) as layby, layby.request(path) as answering:
        await until(begun.exists)
        layby.interrupt()
        await layby.says("draining: 0 parked")
        when.touch()
        answer = await answering
        assert (200, "finished") == (answer.status, answer.body)
        assert 0 == await layby.ends()


async def test_grpc_stream_ends_first(run_layby, workload):
    """An HTTP/2 client is told to go away with its stream still open, and must hear it out."""
    async with run_layby(workload("rpc", protocol="http2")) as layby:
        target = f"127.0.0.1:{layby.port}"
        async with grpc.aio.insecure_channel(target, [("grpc.enable_retries", 0)]) as channel:
            count: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
            count = channel.unary_stream("/test.Echo/Count")
            got: list[bytes] = []
            async for number in count(bytes(range(10)), timeout=20):
                if not got:
                    layby.interrupt()
                got.append(number)
        assert [bytes([number]) for number in range(10)] == got
        assert 0 == await layby.ends()


async def test_answer_is_delivered_to_the_last_byte(run_layby, workload):
    """For the workload it is over long before a slow client has read it all."""
    loop = asyncio.get_running_loop()
    async with run_layby(workload()) as layby:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", layby.port))
            client.sendall(b"GET /large?bytes=%d HTTP/1.1\r\nhost: a\r\n\r\n" % LARGE)
            client.setblocking(False)
            head = await asyncio.wait_for(loop.sock_recv(client, 1000), 10)
            layby.interrupt()
            with pytest.raises(TimeoutError):
                await layby.ends(within=0.7)
            got = len(head.partition(b"\r\n\r\n")[2])
            while data := await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 10):
                got += len(data)
        assert LARGE == got
        assert 0 == await layby.ends()


async def test_patience_of_a_drain_has_an_end(run_layby, workload, gate, until):
    """A workload that never comes up does not keep us, and its client is told to come again."""
    config = workload("web", "--open-when", gate)
    async with run_layby(config, drain="300ms") as layby, layby.request() as answering:
        await until(lambda: layby.started("web.py"))
        layby.interrupt()
        answer = await answering
        assert (503, "draining") == (answer.status, answer.headers["x-layby-reason"])
        assert "1" == answer.headers["retry-after"]
        assert 0 == await layby.ends()


async def test_second_ctrl_c_ends_it_at_once(run_layby, workload, gate, until):
    """Whoever presses it again has seen what there is to wait for; nothing is left behind."""
    config = workload("web", "--open-when", gate, hold={"timeout": "10m"})
    async with run_layby(config, workload("stubborn", name="stubborn", prefixes=["/stubborn"]),
                         drain="10m") as layby:  # fmt: skip
        async with layby.request("/stubborn") as answering:
            assert 200 == (await answering).status
        async with layby.request():
            await until(lambda: layby.started("web.py"))
            folder = layby.folder
            assert folder.is_dir()
            layby.interrupt()
            await layby.says("draining: 1 parked")
            again_at = time.monotonic() + ECHO
            await until(lambda: time.monotonic() >= again_at)
            layby.interrupt()
            assert 128 + signal.SIGINT == await layby.ends(within=1.0)
        assert "ending at once" in layby.said
        assert not folder.exists()


async def test_ctrl_c_passed_on_by_a_wrapper_still_drains(run_layby, workload, gate, until):
    """The terminal has sent it already: it is one wish, not two."""
    async with (
        run_layby(workload("web", "--open-when", gate)) as layby,
        layby.request() as answering,
    ):
        await until(lambda: layby.started("web.py"))
        layby.interrupt()
        layby.interrupt(signal.SIGTERM)
        await layby.says("draining: 1 parked")
        gate.touch()
        assert 200 == (await answering).status
        assert 0 == await layby.ends()


async def test_ctrl_c_while_it_starts_ends_it(run_layby, workload, tmp_path, monkeypatch, until):
    """An Envoy that hangs is the likeliest reason to press it."""
    hangs = tmp_path / "envoy"
    hangs.write_text("#!/bin/sh\n[ $1 = --version ] || exec sleep 60\n")
    hangs.chmod(0o755)
    monkeypatch.setenv("LAYBY_ENVOY", str(hangs))

    async with run_layby(workload(), await_start=False) as layby:
        await until(lambda: layby.started("sleep"))
        layby.interrupt()
        assert 0 == await layby.ends(within=2.0)
        assert "" == layby.said


async def test_idle_layby_ends_at_once(run_layby, workload):
    """Whoever presses Ctrl-C wants the prompt back."""
    async with run_layby(workload()) as layby:
        layby.interrupt()
        assert 0 == await layby.ends(within=1.5)


async def test_death_of_envoy_is_the_end_of_all(run_layby, workload):
    """Without it nothing is reachable, and a supervisor of ours can only see an exit code."""
    async with run_layby(workload()) as layby:
        async with layby.request() as answering:
            assert 200 == (await answering).status
        (envoy,) = layby.started("--config-path")
        os.kill(envoy, signal.SIGKILL)
        assert 1 == await layby.ends()
        assert "Error: Envoy killed by SIGKILL: it said nothing" in layby.said
        assert "Traceback" not in layby.said


async def test_taken_port_is_named(run_layby, workload):
    """The most frequent reason for not starting at all."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with run_layby(workload(), port=port) as layby:
            assert 1 == await layby.ends()
            assert f"Error: cannot listen on 127.0.0.1:{port}" in layby.said
            assert "Traceback" not in layby.said
