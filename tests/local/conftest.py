"""Real processes, and a configuration file in a folder of its own."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from local.config import WorkloadConfig
from local.loader import ConfigError, load
from local.output import Stream
from local.process import Process

IMPORTS = "import os, signal, socket, sys\n"
LISTEN = "listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
PAUSE = "while True: signal.pause()\n"


class Roster:
    """A guard that writes down what it is told."""

    def __init__(self) -> None:
        self.environment = {"LAYBY_RUN": "test"}
        self.adopted: list[int] = []
        self.released: list[int] = []

    def adopt(self, pgid: int, /) -> None:
        """Write it down."""
        self.adopted.append(pgid)

    def release(self, pgid: int, /) -> None:
        """Write it down."""
        self.released.append(pgid)


@pytest.fixture
def roster() -> Roster:
    """Return the guard of the processes that `make` makes."""
    return Roster()


@pytest.fixture
def lines() -> list[tuple[str, Stream, str]]:
    """Return what these processes print."""
    return []


@pytest.fixture
async def make(
    roster: Roster, lines: list[tuple[str, Stream, str]]
) -> AsyncIterator[Callable[..., Process]]:
    """Make processes that run a Python program, then listen, then serve; or a command."""
    made: list[Process] = []

    def new(program: str = "", serve: str = LISTEN + PAUSE, **fields: Any) -> Process:
        program = f"{IMPORTS}{program}\n{serve}"
        readiness = {"interval": 0.002, **fields.pop("readiness", {})}
        command = [sys.executable, "-S", "-u", "-c", program]
        described = {"name": "shop", "command": command, "readiness": readiness, **fields}
        workload = WorkloadConfig.model_validate(described)
        made.append(Process(workload, roster, lambda *line: lines.append(line)))
        return made[-1]

    yield new
    for process in made:
        await process.stop(0)


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], list[str]]:
    """Say what is wrong with the content of `layby.yaml`, without the file's name."""
    monkeypatch.chdir(tmp_path)
    path = Path("layby.yaml")

    def refuse(content: str | bytes) -> list[str]:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigError) as caught:
            load(path)
        return [line.removeprefix("layby.yaml") for line in str(caught.value).splitlines()]

    return refuse
