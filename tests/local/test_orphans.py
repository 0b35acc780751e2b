"""Nothing that layby starts outlives it: real processes, and a layby that is killed by SIGKILL."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.reaper import Stat, stat

ROOT = Path(__file__).parents[2]
GRACE = 0.3
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
STUBBORN = """
import signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
# What a workload may do: a child in its group, a daemon in a session of its own, and one that has
# thrown away its environment as well, whose parent is all that ties it to the rest.
FAMILY = """
import os, subprocess, sys
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(sleep).pid
stranger = subprocess.Popen(sleep, start_new_session=True, env={}).pid
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        os.execv(sleep[0], sleep)
    os._exit(0)
os.wait()
daemon = int(os.read(read, 10))
print(os.getpid(), child, stranger, daemon, flush=True)
subprocess.Popen(sleep).wait()
"""
# A layby in small: it starts what its arguments say, tells who runs, and waits to be killed.
LAYBY = """
import asyncio, json, os, subprocess, sys
from local.guard import Guard

async def main():
    guard = Guard(grace_seconds=float(sys.argv[1]))
    await guard.start()
    watch = asyncio.create_task(guard.watch())
    pids = []
    for workload in json.loads(sys.argv[2]):
        environment = {} if workload["bare"] else {**os.environ, **guard.environment}
        process = subprocess.Popen(workload["command"], start_new_session=True, text=True,
                                   stdout=subprocess.PIPE, env=environment)
        if workload["adopted"]:
            guard.adopt(process.pid)
        if workload["speaks"]:
            pids += [int(word) for word in process.stdout.readline().split() if word.isdigit()]
        pids.append(process.pid)
    while True:
        print(json.dumps({"guard": guard.pid, "pids": pids}), flush=True)
        before = guard.pid
        while guard.pid == before:
            await asyncio.sleep(0.01)

asyncio.run(main())
"""


def workload(
    *command: str, adopted: bool = True, bare: bool = False, speaks: bool = False
) -> dict[str, object]:
    """Describe what the small layby starts."""
    return {"command": command or SLEEP, "adopted": adopted, "bare": bare, "speaks": speaks}


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait for a condition, and tell whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(process: Stat) -> bool:
    """Tell whether this very process still runs, not another one with its number."""
    now = stat(process.pid)
    return now is not None and now.started == process.started and now.alive


def known(pid: int) -> Stat:
    """Remember a process by its start."""
    process = stat(pid)
    assert process is not None
    return process


class Layby:
    """The small layby, in a process that can be killed."""

    def __init__(self, *workloads: dict[str, object], grace: float = GRACE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAYBY, str(grace), json.dumps(workloads)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.report()

    def report(self) -> None:
        """Read who runs; it is told again whenever there is another guard."""
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.guard = known(said["guard"])
        self.started = [known(pid) for pid in said["pids"]]

    def kill(self) -> None:
        """End it as an out-of-memory killer would."""
        with self.process:
            self.process.kill()


@pytest.fixture
def layby() -> Iterator[Callable[..., Layby]]:
    """Start a small layby, and leave nothing of it behind."""
    all_of_them: list[Layby] = []

    def start(*workloads: dict[str, object], grace: float = GRACE) -> Layby:
        all_of_them.append(Layby(*workloads, grace=grace))
        return all_of_them[-1]

    yield start
    for one in all_of_them:
        one.kill()
        for process in (*one.started, one.guard):
            process.signal(signal.SIGKILL)


def test_workloads_end_when_layby_is_killed(layby: Callable[..., Layby]):
    """No handler runs on SIGKILL: only another process can tidy up."""
    killed = layby(workload(), workload())
    assert [True, True] == [alive(process) for process in killed.started]

    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))
    assert until(lambda: not alive(killed.guard))


def test_daemons_that_left_their_group_end_too(layby: Callable[..., Layby]):
    """The group holds only those that stayed; the environment and the parents tell the rest."""
    killed = layby(workload(sys.executable, "-S", "-c", FAMILY, speaks=True))
    parent, child, stranger, daemon, _ = killed.started
    groups = {process.group for process in (parent, child, stranger, daemon)}
    assert {parent.pid, stranger.pid, daemon.group} == groups

    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))


def test_process_that_was_never_adopted_ends_too(layby: Callable[..., Layby]):
    """Layby may die between a workload's start and its adoption."""
    killed = layby(workload(adopted=False))

    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))


def test_adopted_group_ends_without_the_marker(layby: Callable[..., Layby]):
    """A program may overwrite its environment, as PostgreSQL does for its title."""
    killed = layby(workload(bare=True))

    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))


def test_workload_that_ignores_sigterm_is_killed_after_the_grace(layby: Callable[..., Layby]):
    """Politeness is bounded."""
    killed = layby(workload(sys.executable, "-S", "-c", STUBBORN, speaks=True))

    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))


def test_guard_survives_what_ends_layby(layby: Callable[..., Layby]):
    """A closing terminal and a shutdown signal whole groups or sessions, or everybody."""
    killed = layby(workload())
    assert killed.guard.session == killed.guard.pid

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        killed.guard.signal(number)
    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))


def test_dead_guard_is_replaced_and_told_again(layby: Callable[..., Layby]):
    """The out-of-memory killer may take the guard first, and layby an hour later."""
    killed = layby(workload(bare=True))
    first = killed.guard

    first.signal(signal.SIGKILL)
    killed.report()
    assert killed.guard.pid != first.pid
    killed.kill()

    assert until(lambda: not any(alive(process) for process in killed.started))
