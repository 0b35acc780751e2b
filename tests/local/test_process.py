"""A workload's process from its start to the end of the last of its group: real processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from local.address import free_port
from local.config import WorkloadConfig
from local.output import Stream
from local.process import Process, StartFailure
from local.reaper import stat

SERVE = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
"""
FOR_EVER = "signal.pause()\n"
HANG = "import signal; signal.pause()"
"""Never listens."""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
FAMILY = """
child = os.fork()
if child == 0:
    CHILD
    signal.pause()
print(child, flush=True)
"""


class Roster:
    """A guard that writes down what it is told."""

    environment = {"LAYBY_RUN": "test"}  # noqa: RUF012 - a fake's constant

    def __init__(self) -> None:
        self.adopted: list[int] = []
        self.released: list[int] = []

    def adopt(self, pgid: int, /) -> None:
        """Write it down."""
        self.adopted.append(pgid)

    def release(self, pgid: int, /) -> None:
        """Write it down."""
        self.released.append(pgid)


Lines = list[tuple[str, Stream, str]]
Make = Callable[..., Process]


@pytest.fixture
def roster() -> Roster:
    """Return the guard of `make`'s processes."""
    return Roster()


@pytest.fixture
def lines() -> Lines:
    """Return what `make`'s processes print."""
    return []


@pytest.fixture
async def make(roster: Roster, lines: Lines) -> AsyncIterator[Make]:
    """Make processes of a Python program, or of a command, and stop them afterwards."""
    made: list[Process] = []

    def start(program: str = "", **fields: Any) -> Process:
        command = [sys.executable, "-S", "-c", program]
        readiness = {"interval": 0.002, **fields.pop("readiness", {})}
        described = {"name": "shop", "command": command, "readiness": readiness, **fields}
        workload = WorkloadConfig.model_validate(described)
        made.append(Process(workload, roster, lambda *line: lines.append(line)))
        return made[-1]

    yield start
    for process in made:
        await process.stop(0)


def alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    found = stat(pid)
    return found is not None and found.alive


async def until(condition: Callable[[], object], seconds: float = 3.0) -> None:
    """Wait for a condition, but not for ever."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)  # noqa: ASYNC110 - processes set no events


def family(child: str = "", parent: str = FOR_EVER) -> str:
    """Write a program that listens and has a child in its group, whose number it prints."""
    return SERVE + FAMILY.replace("CHILD", child) + parent


async def child_of(lines: Lines) -> int:
    """Wait for the number that a family prints."""
    await until(lambda: lines)
    return int(lines[0][2])


# Starting


async def test_workload_that_listens_is_ready(make: Make, roster: Roster):
    """Its address is told, and the guard knows it."""
    process = make(SERVE + FOR_EVER)

    address = await process.start()

    assert address == process.address
    assert process.pid is not None
    assert [process.pid] == roster.adopted
    assert process.pid == os.getpgid(process.pid)
    assert not process.exited.is_set()
    assert repr(process) == f"<Process shop pid={process.pid} ready>"


async def test_fixed_port_is_used(make: Make):
    """Some programs cannot be told another."""
    port = free_port()
    process = make(SERVE + FOR_EVER, port=port)

    assert port == (await process.start()).port


async def test_environment_folder_and_arguments_reach_the_process(
    make: Make, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Own variables win over inherited ones; the port and the guard's mark are always there."""
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("MODE", "slow")
    monkeypatch.setenv("LAYBY_RUN", "outer")
    program = "print(*(os.environ[name] for name in names), os.getcwd(), sys.argv[1:])\n"
    program = "names = ('INHERITED', 'MODE', 'LAYBY_RUN')\n" + program
    command = [sys.executable, "-S", "-u", "-c", SERVE + program + FOR_EVER, "--port=$PORT"]
    process = make(command=command, env={"MODE": "fast"}, cwd=tmp_path)

    address = await process.start()
    await until(lambda: lines)

    said = f"yes fast test {tmp_path} ['--port={address.port}']"
    assert [("shop", Stream.STDOUT, said)] == lines


async def test_readiness_may_be_an_http_path(make: Make):
    """A server may listen long before it can answer."""
    program = SERVE + (
        "for status in (503, 200):\n"
        "    connection, _ = listener.accept()\n"
        "    connection.recv(4096)\n"
        "    connection.sendall(b'HTTP/1.1 %d X\\r\\n\\r\\n' % status)\n"
        "    connection.close()\n"
        "print('answered', flush=True)\n"
    )
    process = make(program + FOR_EVER, readiness={"http": "/ready"})

    await process.start()

    await until(lambda: process.tail == ("answered",))


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("raise SystemExit(3)", r"exited with code 3 after \d\.\d s"),
        ("print('no license'); raise SystemExit(3)", r"exited with code 3 after .* s: no license"),
        ("raise SystemExit('bad config')", r"exited with code 1 after .* s: bad config"),
        ("1 / 0", r"exited with code 1 after .* s: ZeroDivisionError: division by zero"),
        ("", r"exited with code 0 after \d\.\d s"),
        ("import os; os.kill(os.getpid(), 11)", r"killed by SIGSEGV after \d\.\d s"),
        ("import os; os.kill(os.getpid(), 40)", r"killed by signal 40 after \d\.\d s"),
    ],
)
async def test_program_that_ends_fails_at_once(make: Make, program: str, expected: str):
    """Whoever waits is told why, long before the timeout."""
    process = make(program)

    async with asyncio.timeout(3):
        with pytest.raises(StartFailure, match=f"^{expected}$"):
            await process.start()

    assert process.exited.is_set()


async def test_program_that_ends_while_a_child_holds_its_pipes_fails_at_once(
    make: Make, lines: Lines
):
    """A daemon that stays behind must not delay the answer; it is ended with its group."""
    program = "import os, signal\n" + FAMILY.replace("CHILD", "") + "raise SystemExit('gone')"
    process = make(program)

    with pytest.raises(StartFailure, match="exited with code 1 after .* s: gone"):
        await process.start()

    assert not alive(await child_of(lines))


async def test_program_that_does_not_get_ready_is_ended(make: Make, roster: Roster):
    """It is told what was tried and what it said last."""
    program = "import signal, sys; print('loading', file=sys.stderr, flush=True)\n" + FOR_EVER
    port = free_port()
    process = make(program, port=port, readiness={"timeout": 0.3})

    with pytest.raises(StartFailure) as caught:
        await process.start()

    expected = f"not ready within 0.3 s (tcp 127.0.0.1:{port}): loading"
    assert expected == caught.value.reason == str(caught.value)
    assert process.exited.is_set()
    assert roster.adopted == roster.released


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["no-such-program"], "command not found: no-such-program"),
        (["./no-such-program"], "command not found: ./no-such-program"),
        (["./plain.txt"], "permission denied: ./plain.txt"),
        (["./garbage"], "cannot start ./garbage: Exec format error"),
        (["./orphan"], "no interpreter for ./orphan"),
        (["true", "x" * 3_000_000], "cannot start true: Argument list too long"),
        (["true", "\ud800"], "cannot start true: 'utf-8' codec can't encode character"),
    ],
)
async def test_command_that_cannot_be_run_fails(
    make: Make, roster: Roster, tmp_path: Path, command: list[str], expected: str
):
    """The reason is the user's to understand, not errno's."""
    (tmp_path / "plain.txt").write_text("hello")
    for name, content in (("garbage", "\0\1\2"), ("orphan", "#!/no/such/shell\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    process = make(command=command, cwd=tmp_path)

    with pytest.raises(StartFailure) as caught:
        await process.start()

    assert caught.value.reason.startswith(expected)
    assert process.pid is None
    assert roster.adopted == []


async def test_program_is_looked_up_in_its_own_path(make: Make, tmp_path: Path):
    """The environment in the configuration counts from the start."""
    (tmp_path / "serve").symlink_to(sys.executable)
    process = make(command=["serve", "-S", "-c", SERVE + FOR_EVER], env={"PATH": str(tmp_path)})

    await process.start()


async def test_folder_that_has_gone_fails(make: Make, tmp_path: Path):
    """It was there when the configuration was read."""
    folder = tmp_path / "shop"
    folder.mkdir()
    process = make(SERVE, cwd=folder)
    folder.rmdir()

    with pytest.raises(StartFailure, match=f"^cwd does not exist: {folder}$"):
        await process.start()


async def test_port_of_another_process_fails(make: Make, roster: Roster):
    """Its answers would pass for the workload's."""
    other = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        process = make(HANG, port=port)

        with pytest.raises(StartFailure, match=f"^port {port} is in use by another process$"):
            await process.start()

    assert roster.adopted == []


async def test_cancelled_start_leaves_nothing_behind(make: Make, roster: Roster):
    """Whoever waited has gone, or layby drains."""
    process = make(HANG)
    starting = asyncio.create_task(process.start())
    await until(lambda: process.pid)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert process.exited.is_set()
    assert [process.pid] == roster.released


async def test_start_cancelled_before_it_began_leaves_nothing_behind(
    make: Make, roster: Roster, tmp_path: Path
):
    """The process is there before its number is known."""
    process = make(f"open({str(tmp_path / 'ran')!r}, 'w'); " + HANG)
    starting = asyncio.create_task(process.start())
    await asyncio.sleep(0)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert roster.adopted == roster.released
    assert not (tmp_path / "ran").exists()


# Stopping


async def test_polite_program_is_ended_by_sigterm(make: Make, roster: Roster):
    """It may put its things in order."""
    process = make(SERVE + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + FOR_EVER)
    await process.start()

    await process.stop()

    assert process.epitaph().startswith("exited with code 7 after ")
    assert [process.pid] == roster.released
    assert repr(process) == f"<Process shop pid={process.pid} exited>"


async def test_stubborn_program_is_killed_after_the_grace(make: Make):
    """The grace is that of the configuration."""
    process = make(SERVE + STUBBORN + FOR_EVER, stop={"grace": "50ms"})
    await process.start()

    await process.stop()

    assert process.epitaph().startswith("killed by SIGKILL after ")


async def test_children_end_with_the_program(make: Make, lines: Lines):
    """A shell or a process manager is often the leader only."""
    process = make(family())
    await process.start()
    child = await child_of(lines)

    await process.stop()

    assert not alive(child)


async def test_stubborn_children_are_killed_though_the_leader_has_ended(
    make: Make, lines: Lines, roster: Roster
):
    """The end of the leader is not the end of the group."""
    process = make(family(STUBBORN))
    await process.start()
    child = await child_of(lines)

    await process.stop(0.05)

    assert not alive(child)
    assert [process.pid] == roster.released


async def test_children_of_a_program_that_crashed_are_ended(
    make: Make, lines: Lines, roster: Roster
):
    """They may hold its port, and would answer in its stead."""
    process = make(family())
    await process.start()
    child = await child_of(lines)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.exited.wait()
    assert alive(child)
    assert roster.released == []

    await process.stop()

    assert not alive(child)
    assert [process.pid] == roster.released


async def test_crash_is_told(make: Make, roster: Roster):
    """Whoever waits on `exited` learns how it ended; nothing is left to guard."""
    program = SERVE + "listener.accept()\nprint('boom', file=sys.stderr)\nos._exit(9)\n"
    process = make(program)
    assert process.epitaph() == "still running"

    await process.start()
    await process.exited.wait()

    assert process.epitaph().startswith("exited with code 9 after ")
    assert process.epitaph().endswith(": boom")
    assert [process.pid] == roster.released


async def test_stopping_again_or_before_the_start_does_nothing(make: Make):
    """Shutdown paths meet."""
    process = make(SERVE + FOR_EVER)
    await process.stop()
    await process.start()

    await process.stop()
    await process.stop()

    assert process.exited.is_set()


async def test_two_stops_at_once_send_one_sigterm(make: Make, lines: Lines):
    """Many programs take a second one for impatience, and drop what they are at."""
    count = "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    process = make(SERVE + count + "while True: signal.pause()\n")
    await process.start()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.stop(0.1))
        tasks.create_task(process.stop(0.1))

    assert [("shop", Stream.STDOUT, "asked")] == lines


async def test_cancelled_stop_still_kills(make: Make, lines: Lines, roster: Roster):
    """A second Ctrl-C must not leave a workload behind."""
    process = make(family(STUBBORN, STUBBORN + FOR_EVER))
    await process.start()
    child = await child_of(lines)
    stopping = asyncio.create_task(process.stop(60))
    await asyncio.sleep(0)

    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    async with asyncio.timeout(3):
        await process.exited.wait()
    await until(lambda: not alive(child))
    assert process.epitaph().startswith("killed by SIGKILL after ")
    assert [process.pid] == roster.released


async def test_frozen_program_is_killed(make: Make):
    """SIGTERM waits for ever in a stopped process."""
    process = make(SERVE + FOR_EVER)
    await process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)

    await process.stop(0.05)

    assert process.exited.is_set()


async def test_daemon_that_holds_the_pipes_does_not_delay_the_stop(make: Make, lines: Lines):
    """It left the group: that one is for the guard."""
    process = make(family("os.setsid()"))
    await process.start()
    daemon = await child_of(lines)
    before = time.monotonic()

    await process.stop(30)

    assert time.monotonic() - before < 3
    assert alive(daemon)
    os.kill(daemon, signal.SIGKILL)


async def test_chatty_program_is_read_to_its_end(make: Make, lines: Lines):
    """A full pipe would block it."""
    process = make("print('x' * 100_000)\nfor n in range(20_000): print(n)")

    with pytest.raises(StartFailure, match=r"exited with code 0 after .* s: 19999$"):
        await process.start()

    assert 20_001 == len(lines)
    assert max(len(text) for _, _, text in lines) < 5_000
