"""`layby local` as a process, which may be signalled, killed and searched for leftovers."""

import asyncio
import json
import os
import signal
import sys
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.address import free_port

ROOT = Path(__file__).parents[3]
MARKER = "LAYBY_TEST_RUN"
PATIENCE = 30.0


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: str


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

    @property
    def folder(self) -> Path:
        """Its scratch folder, as long as Envoy runs."""
        (command,) = (c for c in marked(self._mark).values() if "--config-path" in c)
        return Path(command.partition("--config-path ")[2].split(" ")[0]).parent

    async def says(self, words: str) -> None:
        """Wait until it has printed something."""
        await self._until(lambda: words in self.said)

    def started(self, words: str = "") -> list[int]:
        """Those of the processes that it started which run, and have `words` in their command."""
        everything = marked(self._mark)
        return [pid for pid, command in everything.items() if pid != self.pid and words in command]

    @asynccontextmanager
    async def request(self, path="/"):
        """A request under way over HTTP/1.1: a task that ends with its answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        answering = asyncio.create_task(_read(reader))
        try:
            yield answering
        finally:
            answering.cancel()
            writer.close()
            await asyncio.wait({answering})

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Signal the whole process group, as a terminal does on Ctrl-C."""
        os.killpg(self.pid, number)

    async def ends(self, within: float = 10.0) -> int:
        """Wait for its end, return its exit code."""
        return await asyncio.wait_for(self._process.wait(), within)


async def _read(reader: asyncio.StreamReader) -> Answer:
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


def marked(mark: str) -> dict[int, str]:
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
def processes():
    """Look for the processes that have a mark in their environment."""
    return marked


@pytest.fixture
def run_layby(envoy, tmp_path, until):
    """Run the command on a configuration; nothing of it may be left afterwards."""
    assert envoy

    @asynccontextmanager
    async def run(*workloads, port=None, await_start=True, **fields):
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
                # Whoever runs the tests may ignore it (nohup), and layby obeys that.
                preexec_fn=_hear_hangups,
            )
        layby = Layby(process, port, log, mark, until)
        try:
            async with asyncio.timeout(PATIENCE):
                if await_start:
                    await until(lambda: "listening" in layby.said or process.returncode is not None)
                yield layby
                await until(lambda: not marked(mark))
        except BaseException:
            print(layby.said)  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)
            await process.wait()

    return run


def _hear_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
