"""The guard beside a layby that ends in order."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.guard import MARKER, START_MARKER, Guard
from local.reaper import Stat, stat

GRACE = 0.3
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def sleeper(environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a process that leads its own group."""
    return subprocess.Popen(
        SLEEP, start_new_session=True, env={**os.environ, **(environment or {})}
    )


def environment_of(pid: int | None) -> bytes:
    """Read what a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def known(pid: int) -> Stat:
    """Look at a process that is there."""
    process = stat(pid)
    assert process is not None
    return process


async def test_guard_exits_when_closed_with_nothing_left():
    """A normal end leaves no guard behind, and takes no grace to wait for nobody."""
    guard = Guard(grace_seconds=30)
    await guard.start()
    process = known(guard.pid or 0)

    async with asyncio.timeout(2):
        await guard.close()

    assert stat(process.pid) is None


async def test_closing_sweeps_up_what_was_forgotten():
    """A daemon of a workload that has been stopped already is in no group that layby knows."""
    guard = Guard(grace_seconds=GRACE)
    await guard.start()
    left = sleeper(guard.environment)

    await guard.close()

    assert -signal.SIGTERM == left.wait(1)


async def test_kill_ends_what_was_adopted_at_once():
    """Whoever has lost patience does not wait for a grace."""
    guard = Guard(grace_seconds=30)
    with sleeper() as adopted:
        guard.adopt(adopted.pid)

        guard.kill()

        assert -signal.SIGKILL == adopted.wait(1)


async def test_guard_that_was_killed_while_closing_is_replaced_for_the_sweep():
    """Nothing is left even then."""
    guard = Guard(grace_seconds=GRACE)
    await guard.start()
    left = sleeper(guard.environment)
    os.kill(guard.pid or 0, signal.SIGKILL)

    await guard.close()

    assert -signal.SIGTERM == left.wait(1)


async def test_released_group_is_left_alone():
    """Its number may belong to somebody else by then."""
    guard = Guard(grace_seconds=GRACE)
    await guard.start()
    with sleeper() as other:
        guard.adopt(other.pid)
        guard.release(other.pid)
        await guard.close()

        assert known(other.pid).alive
        other.kill()


async def test_closing_twice_or_before_the_start_does_nothing():
    """Shutdown paths meet."""
    guard = Guard()
    await guard.close()
    guard = Guard()
    await guard.start()
    await guard.close()
    await guard.close()


async def test_watch_ends_when_the_guard_is_closed():
    """Otherwise it would take the exit for a death."""
    guard = Guard()
    await guard.start()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(guard.watch())
        await asyncio.sleep(0)
        await guard.close()


async def test_guard_of_a_nested_layby_does_not_carry_the_outer_marker(
    monkeypatch: pytest.MonkeyPatch,
):
    """The outer guard would end it before it has ended its own."""
    monkeypatch.setenv(MARKER, "0123456789")
    monkeypatch.setenv(START_MARKER, "0123456789")
    guard = Guard()
    await guard.start()
    environment = environment_of(guard.pid)
    await guard.close()

    assert b"0123456789" not in environment
