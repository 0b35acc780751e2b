"""Nothing that layby started outlives it, or outlives its own time, however stubborn."""

import os
import signal
import uuid

import pytest

pytestmark = pytest.mark.envoy


async def test_workload_that_ignores_sigterm_is_killed(run_layby, workload):
    """Nor does one that hangs keep us, nor what it started and let go."""
    config = workload("stubborn", stop={"grace": "300ms"})
    async with run_layby(config) as layby, layby.request() as answering:
        assert 200 == (await answering).status
        assert 2 == len(layby.started("stubborn.py") + layby.started("time.sleep"))
        layby.interrupt()
        assert 0 == await layby.ends()


async def test_stubborn_workload_is_killed_when_idle(run_mesh, workload, processes):
    """It ends the same way when nobody has come for it."""
    mark = uuid.uuid4().hex
    config = workload(
        "stubborn", stop={"grace": "200ms"}, idle={"after": "100ms"}, env={"MARK": mark}
    )
    async with run_mesh(config) as running:
        for wakes in (1, 2):
            assert 200 == (await running.get()).status
            assert [command for command in processes(mark).values() if "stubborn.py" in command]
            await running.asleep()
            assert not [command for command in processes(mark).values() if "stubborn.py" in command]
            assert wakes == running.supervisor().wakes
    assert {} == processes(mark)


async def test_nothing_outlives_a_killed_layby(run_layby, workload, until):
    """Processes that nobody knows of hold ports and memory for weeks; folders pile up."""
    configs = [workload("stubborn", name="stubborn", prefixes=["/stubborn"]), workload()]
    async with run_layby(*configs) as layby:
        for path in ("/", "/stubborn"):
            async with layby.request(path) as answering:
                assert 200 == (await answering).status
        words = ("web.py", "stubborn.py", "time.sleep", "envoy", "reaper.py")
        assert [word for word in words if layby.started(word)] == list(words)
        folder = layby.folder
        assert folder.is_dir()
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()
        await until(lambda: not folder.exists())


async def test_nothing_outlives_a_layby_killed_while_a_workload_starts(
    run_layby, workload, gate, until
):
    """The most likely moment: somebody runs out of patience with it."""
    config = workload("web", "--open-when", gate)
    async with run_layby(config) as layby, layby.request():
        await until(lambda: layby.started("web.py"))
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()


async def test_guard_that_was_killed_is_replaced(run_layby, workload, until):
    """An out-of-memory killer takes whom it likes, and then the next."""
    async with run_layby(workload()) as layby:
        async with layby.request() as answering:
            assert 200 == (await answering).status
        (first,) = layby.started("reaper.py")
        os.kill(first, signal.SIGKILL)
        await until(lambda: set(layby.started("reaper.py")) - {first})
        os.kill(layby.pid, signal.SIGKILL)
        assert -signal.SIGKILL == await layby.ends()
