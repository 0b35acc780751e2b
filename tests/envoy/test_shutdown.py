"""The command as a process of its own: how it ends, and that nothing outlives it."""

import asyncio
import json
import os
import signal
import socket
import sys
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.client import Crowd
from local.address import free_port

pytestmark = pytest.mark.envoy

ROOT = Path(__file__).parents[2]
MARKER = "LAYBY_TEST_RUN"
PATIENCE = 30.0
LARGE = 3_500_000
"""Bytes of an answer: more than the kernel keeps for a client that does not read, and so little
more that Envoy has taken all of it."""


class Layby:
    """`layby local` in a process group of its own, as a shell would start it."""

    def __init__(
        self, process: asyncio.subprocess.Process, port: int, log: Path, mark: str, until
    ) -> None:
        self.port = port
        self._process = process
        self._log = log
        self._mark = mark
        self._until = until

    @property
    def pid(self) -> int:
        """The process itself."""
        return self._process.pid

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    async def says(self, words: str) -> None:
        """Wait until it has printed something."""
        await self._until(lambda: words in self.said)

    def started(self, words: str = "") -> list[int]:
        """Those of the processes that it started which run, and have `words` in their command."""
        everything = processes(self._mark)
        return [pid for pid, command in everything.items() if pid != self.pid and words in command]

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Signal the whole process group, as a terminal does on Ctrl-C."""
        os.killpg(self.pid, number)

    async def ends(self, within: float = 10.0) -> int:
        """Wait for its end, return its exit code."""
        return await asyncio.wait_for(self._process.wait(), within)


def processes(mark: str) -> dict[int, str]:
    """The processes that have `mark` in their environment, and their commands."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and mark.encode() in (folder / "environ").read_bytes():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode()
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.fixture
def run_layby(envoy, tmp_path, until):
    """Run the command on a configuration; nothing of it may be left afterwards."""
    assert envoy

    @asynccontextmanager
    async def run(*workloads, port=None, **fields):
        port = port or free_port()
        config = {"listen": f"127.0.0.1:{port}", "workloads": workloads, **fields}
        file, log = tmp_path / "layby.yaml", tmp_path / "log"
        file.write_text(json.dumps(config))  # which is YAML too
        mark = uuid.uuid4().hex
        with log.open("w") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.main", "local", "-f", str(file)),
                cwd=ROOT,
                env={**os.environ, MARKER: mark},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        layby = Layby(process, port, log, mark, until)
        try:
            async with asyncio.timeout(PATIENCE):
                await until(lambda: "listening" in layby.said or process.returncode is not None)
                yield layby
                await until(lambda: not processes(mark))
        except BaseException:
            print(layby.said)  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            for pid in processes(mark):
                os.kill(pid, signal.SIGKILL)
            await process.wait()

    return run


@asynccontextmanager
async def request(layby, path="/"):
    """A request under way: a future of its answer."""
    crowd = Crowd()
    await crowd.send(layby.port, 1, path)
    answering = asyncio.create_task(crowd.answers())
    try:
        yield answering
    finally:
        crowd.close()
        await answering


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_parked_request_is_answered_before_the_end(run_layby, workload, gate, until, number):
    """Ctrl-C in the wrong moment must cost nobody a request."""
    async with (
        run_layby(workload("web", "--open-when", gate)) as layby,
        request(layby) as answering,
    ):
        await until(lambda: layby.started("web.py"))
        layby.interrupt(number)
        await layby.says("draining: 1 parked")
        assert not answering.done()
        gate.touch()
        assert 200 == (await answering)[0].status
        assert 0 == await layby.ends()


async def test_running_request_ends_first(run_layby, workload, tmp_path, until):
    """What a workload has begun, it may finish."""
    begun, when = tmp_path / "begun", tmp_path / "when"
    path = f"/finish?begun={begun}&when={when}"
    async with run_layby(workload()) as layby, request(layby, path) as answering:
        await until(begun.exists)
        layby.interrupt()
        await layby.says("draining: 0 parked")
        when.touch()
        answer = (await answering)[0]
        assert (200, b"finished") == (answer.status, answer.body)
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
    async with run_layby(config, drain="300ms") as layby, request(layby) as answering:
        await until(lambda: layby.started("web.py"))
        layby.interrupt()
        answer = (await answering)[0]
        assert (503, "draining") == (answer.status, answer.headers["x-layby-reason"])
        assert "1" == answer.headers["retry-after"]
        assert 0 == await layby.ends()


async def test_idle_layby_ends_at_once(run_layby, workload):
    """Whoever presses Ctrl-C wants the prompt back."""
    async with run_layby(workload()) as layby:
        layby.interrupt()
        assert 0 == await layby.ends(within=1.5)


async def test_workload_that_ignores_sigterm_is_killed(run_layby, workload):
    """Nor does one that hangs keep us, nor what it started and let go."""
    config = workload("stubborn", stop={"grace": "300ms"})
    async with run_layby(config) as layby, request(layby) as answering:
        assert 200 == (await answering)[0].status
        assert 2 == len(layby.started("stubborn.py") + layby.started("time.sleep"))
        layby.interrupt()
        assert 0 == await layby.ends()


async def test_stubborn_workload_is_killed_when_idle(run_mesh, workload):
    """It ends the same way when nobody has come for it."""
    mark = uuid.uuid4().hex
    config = workload(
        "stubborn", stop={"grace": "200ms"}, idle={"after": "100ms"}, env={MARKER: mark}
    )
    async with run_mesh(config) as running:
        for wakes in (1, 2):
            assert 200 == (await running.get()).status
            assert [command for command in processes(mark).values() if "stubborn.py" in command]
            await running.asleep()
            assert not [command for command in processes(mark).values() if "stubborn.py" in command]
            assert wakes == running.supervisor().wakes
    assert {} == processes(mark)


async def test_nothing_outlives_a_killed_layby(run_layby, workload):
    """Processes that nobody knows of hold ports and memory for weeks."""
    configs = [workload("stubborn", name="stubborn", prefixes=["/stubborn"]), workload()]
    async with run_layby(*configs) as layby:
        for path in ("/", "/stubborn"):
            async with request(layby, path) as answering:
                assert 200 == (await answering)[0].status
        words = ("web.py", "stubborn.py", "time.sleep", "envoy", "reaper.py")
        assert [word for word in words if layby.started(word)] == list(words)
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()


async def test_nothing_outlives_a_layby_killed_while_a_workload_starts(
    run_layby, workload, gate, until
):
    """The most likely moment: somebody runs out of patience with it."""
    config = workload("web", "--open-when", gate)
    async with run_layby(config) as layby, request(layby):
        await until(lambda: layby.started("web.py"))
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()


async def test_guard_that_was_killed_is_replaced(run_layby, workload, until):
    """An out-of-memory killer takes whom it likes, and then the next."""
    async with run_layby(workload()) as layby:
        async with request(layby) as answering:
            assert 200 == (await answering)[0].status
        (first,) = layby.started("reaper.py")
        os.kill(first, signal.SIGKILL)
        await until(lambda: set(layby.started("reaper.py")) - {first})
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()


async def test_death_of_envoy_is_the_end_of_all(run_layby, workload):
    """Without it nothing is reachable, and a supervisor of ours can only see an exit code."""
    async with run_layby(workload()) as layby:
        async with request(layby) as answering:
            assert 200 == (await answering)[0].status
        (envoy,) = layby.started("--config-path")
        os.kill(envoy, signal.SIGKILL)
        assert 1 == await layby.ends()
        assert "Error: Envoy ended with code -9" in layby.said
        assert "Traceback" not in layby.said


async def test_taken_port_is_named(run_layby, workload):
    """The most frequent reason for not starting at all."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with run_layby(workload(), port=port) as layby:
            assert 1 == await layby.ends()
            assert f"Error: cannot listen on 127.0.0.1:{port}" in layby.said
            assert "Traceback" not in layby.said
