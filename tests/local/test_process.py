"""A workload's process is started, and is ready or has failed with a reason: real processes."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.address import free_port
from local.output import Stream
from local.process import Process, StartFailure
from local.reaper import stat

LISTEN = "listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
PAUSE = "signal.pause()\n"
SERVE = "import os, signal, socket, sys\n" + LISTEN + PAUSE

Make = Callable[..., Process]


async def test_workload_that_listens_is_ready(make: Make, roster: Any):
    """Its address is told, and the guard knows it."""
    process = make()

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
    process = make(port=port)

    assert port == (await process.start()).port


async def test_environment_folder_and_arguments_reach_the_process(
    make: Make, lines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any
):
    """Own variables win over inherited ones; the port and the guard's mark are always there."""
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("MODE", "slow")
    monkeypatch.setenv("LAYBY_RUN", "outer")
    program = "print(*(os.environ[name] for name in names), os.getcwd(), sys.argv[1:])\n"
    program = "import os, sys; names = ('INHERITED', 'MODE', 'LAYBY_RUN')\n" + program
    command = [sys.executable, "-S", "-u", "-c", program + SERVE, "--port=$PORT"]
    process = make(command=command, env={"MODE": "fast"}, cwd=tmp_path)

    address = await process.start()
    await eventually(lambda: lines)

    said = f"yes fast test {tmp_path} ['--port={address.port}']"
    assert [("shop", Stream.STDOUT, said)] == lines


async def test_readiness_may_be_an_http_path(make: Make, eventually: Any, lines: Any):
    """A server may listen long before it can answer."""
    program = (
        "for status in (503, 200):\n"
        "    connection, _ = listener.accept()\n"
        "    connection.recv(4096)\n"
        "    connection.sendall(b'HTTP/1.1 %d X\\r\\n\\r\\n' % status)\n"
        "    connection.close()\n"
        "print('answered', file=sys.stderr, flush=True)\n"
    )
    process = make(serve=LISTEN + program + PAUSE, readiness={"http": "/ready"})

    await process.start()

    await eventually(lambda: lines == [("shop", Stream.STDERR, "answered")])


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
    process = make(program, serve="")

    async with asyncio.timeout(3):
        with pytest.raises(StartFailure, match=f"^{expected}$"):
            await process.start()

    assert process.exited.is_set()


async def test_program_that_does_not_get_ready_is_ended(make: Make, roster: Any):
    """It is told what was tried and what it said last."""
    program = "print('loading', file=sys.stderr)"
    port = free_port()
    process = make(program, PAUSE, port=port, readiness={"timeout": 0.3})

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
    make: Make, roster: Any, tmp_path: Path, command: list[str], expected: str
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
    process = make(command=["serve", "-S", "-c", SERVE], env={"PATH": str(tmp_path)})

    await process.start()


async def test_folder_that_has_gone_fails(make: Make, tmp_path: Path):
    """It was there when the configuration was read."""
    folder = tmp_path / "shop"
    folder.mkdir()
    process = make(cwd=folder)
    folder.rmdir()

    with pytest.raises(StartFailure, match=f"^cwd does not exist: {folder}$"):
        await process.start()


async def test_port_of_another_process_fails(make: Make, roster: Any):
    """Its answers would pass for the workload's."""
    other = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        process = make(serve=PAUSE, port=port)

        with pytest.raises(StartFailure, match=f"^port {port} is in use by another process$"):
            await process.start()

    assert roster.adopted == []


async def test_cancelled_start_leaves_nothing_behind(make: Make, roster: Any, eventually: Any):
    """Whoever waited has gone, or layby drains."""
    process = make(serve=PAUSE)
    starting = asyncio.create_task(process.start())
    await eventually(lambda: process.pid)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert process.exited.is_set()
    assert [process.pid] == roster.released


async def test_start_cancelled_before_it_began_leaves_nothing_behind(
    make: Make, roster: Any, tmp_path: Path
):
    """The process is there before its number is known."""
    note = tmp_path / "pid"
    process = make(f"open({str(note)!r}, 'w').write(str(os.getpid()))")
    starting = asyncio.create_task(process.start())
    await asyncio.sleep(0)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert roster.adopted == roster.released
    assert not note.exists() or stat(int(note.read_text() or "0")) is None


async def test_chatty_program_is_read_to_its_end(make: Make, lines: Any):
    """A full pipe would block it."""
    process = make("print('x' * 100_000)\nfor n in range(20_000): print(n)", serve="")

    with pytest.raises(StartFailure, match=r"exited with code 0 after .* s: 19999$"):
        await process.start()

    assert 20_001 == len(lines)
    assert max(len(text) for _, _, text in lines) < 5_000
