"""A workload's process is stopped with all its group, whoever is stubborn, frozen or cancelled."""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from local.leftovers import pauses
from local.output import Stream
from local.process import Process, StartFailure
from local.reaper import stat

STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"

Lines = list[tuple[str, Stream, str]]
Make = Callable[..., Process]


def alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    found = stat(pid)
    return found is not None and found.alive


def family(child: str = "", parent: str = "") -> str:
    """Write a program that has a child in its group, and prints its number."""
    return f"""
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    {child or "pass"}
    os.write(tell, b"!")
    signal.pause()
os.read(ready, 1)
print(child)
{parent}
"""


@pytest.fixture
def child(eventually: Any, lines: Lines) -> Callable[[], Any]:
    """Wait for the number that a family prints."""

    async def read() -> int:
        await eventually(lambda: lines)
        return int(lines[0][2])

    return read


async def test_polite_program_is_ended_by_sigterm(make: Make, roster: Any):
    """It may put its things in order."""
    process = make("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))")
    await process.start()

    await process.stop()

    assert process.epitaph().startswith("exited with code 7 after ")
    assert [process.pid] == roster.released
    assert repr(process) == f"<Process shop pid={process.pid} exited>"


async def test_stubborn_program_is_killed_after_the_grace(make: Make):
    """The grace is that of the configuration."""
    process = make(STUBBORN, stop={"grace": "50ms"})
    await process.start()

    await process.stop()

    assert process.epitaph().startswith("killed by SIGKILL after ")


async def test_children_end_with_the_program(make: Make, child: Any):
    """A shell or a process manager is often the leader only."""
    process = make(family())
    await process.start()
    member = await child()

    await process.stop()

    assert not alive(member)


async def test_stubborn_children_are_killed_though_the_leader_has_ended(
    make: Make, child: Any, roster: Any
):
    """The end of the leader is not the end of the group."""
    process = make(family(STUBBORN))
    await process.start()
    member = await child()

    await process.stop(0.05)

    assert not alive(member)
    assert [process.pid] == roster.released


async def test_children_of_a_program_that_crashed_are_ended(make: Make, child: Any, roster: Any):
    """They may hold its port, and would answer in its stead."""
    process = make(family())
    await process.start()
    member = await child()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.exited.wait()
    assert alive(member)
    assert roster.released == []

    await process.stop()

    assert not alive(member)
    assert [process.pid] == roster.released


async def test_crash_is_told(make: Make, roster: Any):
    """Whoever waits on `exited` learns how it ended; nothing is left to guard."""
    boom = (
        "signal.signal(signal.SIGUSR1, lambda *_: (print('boom', file=sys.stderr), os._exit(9)))\n"
    )
    listen = "listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
    process = make(serve=boom + listen + "while True: listener.accept()\n")
    assert process.epitaph() == "still running"

    await process.start()
    # Not before it has been found ready: then it would have failed to start.
    assert process.pid
    os.kill(process.pid, signal.SIGUSR1)
    await process.exited.wait()

    assert process.epitaph().startswith("exited with code 9 after ")
    assert process.epitaph().endswith(": boom")
    assert [process.pid] == roster.released


async def test_stopping_again_or_before_the_start_does_nothing(make: Make):
    """Shutdown paths meet."""
    process = make()
    await process.stop()
    await process.start()

    await process.stop()
    await process.stop()

    assert process.exited.is_set()


async def test_two_stops_at_once_send_one_sigterm(make: Make, lines: Lines):
    """Many programs take a second one for impatience, and drop what they are at."""
    count = "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    process = make(count)
    await process.start()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.stop(0.1))
        tasks.create_task(process.stop(0.1))

    assert [("shop", Stream.STDOUT, "asked")] == lines


async def test_cancelled_stop_still_kills(make: Make, child: Any, roster: Any, eventually: Any):
    """A second Ctrl-C must not leave a workload behind."""
    process = make(family(STUBBORN, STUBBORN))
    await process.start()
    member = await child()
    stopping = asyncio.create_task(process.stop(60))
    await asyncio.sleep(0)

    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    async with asyncio.timeout(3):
        await process.exited.wait()
    await eventually(lambda: not alive(member))
    assert process.epitaph().startswith("killed by SIGKILL after ")
    await eventually(lambda: roster.released == [process.pid])


async def test_cancelled_stop_of_a_program_that_has_ended_still_kills_its_children(
    make: Make, child: Any, roster: Any, eventually: Any
):
    """Its end has been heard before: nothing but the stop itself sees to what is left."""
    process = make(family(STUBBORN))
    await process.start()
    member = await child()
    stopping = asyncio.create_task(process.stop(60))
    await process.exited.wait()

    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    await eventually(lambda: not alive(member))
    await eventually(lambda: roster.released == [process.pid])


async def test_frozen_program_is_killed(make: Make):
    """SIGTERM waits for ever in a stopped process."""
    process = make()
    await process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)

    await process.stop(0.05)

    assert process.exited.is_set()


async def test_daemon_that_holds_the_pipes_does_not_delay_the_stop(make: Make, child: Any):
    """Nor does it survive it: with each idle stop, one more would be left."""
    process = make(family("os.setsid()"))
    await process.start()
    member = await child()

    async with asyncio.timeout(3):
        await process.stop(30)

    assert not alive(member)


async def test_stubborn_daemon_is_killed_after_the_grace(make: Make, child: Any):
    """Having left the group, it still has no more time than the others."""
    process = make(family(f"os.setsid(); {STUBBORN}"))
    await process.start()
    member = await child()

    async with asyncio.timeout(3):
        await process.stop(0.05)

    assert not alive(member)


async def test_daemon_of_another_start_is_left_alone(make: Make, child: Any):
    """Two workloads of one run differ in nothing else."""
    other, process = make(family("os.setsid()")), make()
    await other.start()
    member = await child()
    await process.start()

    await process.stop()

    assert alive(member)
    await other.stop()
    assert not alive(member)


def test_group_that_stays_is_looked_at_less_and_less_often():
    """Each look goes through all processes, on the loop that serves the requests."""
    first, *others = itertools.islice(pauses(), 20)

    assert 0.01 == first
    assert sorted(others) == others
    assert 0.2 == others[-1]


async def test_child_that_holds_the_pipes_does_not_delay_a_failed_start(make: Make, child: Any):
    """Whoever waits is told at once; the child is ended with the group."""
    process = make(family(), serve="raise SystemExit('gone')")

    with pytest.raises(StartFailure, match=r"exited with code 1 after .* s: gone"):
        await process.start()

    assert not alive(await child())
