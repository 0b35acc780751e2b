"""A workload that is started and stopped, with a real process, before no Envoy."""

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

from extproc.core.outcome import Outcome
from extproc.core.probe import Request
from extproc.core.workload import Chance, Workload, WorkloadKey
from local.app import NAMESPACE, LocalMesh
from local.config import LocalConfig
from local.supervisor import Phase
from telemetry.catalogue import METRICS
from telemetry.catalogue.holding import WAKES
from telemetry.clock import Clock
from telemetry.cold_start import Winner
from telemetry.cold_starts import ColdStarts
from telemetry.store import Store
from tests.local.conftest import IMPORTS, LISTEN, PAUSE

KEY = WorkloadKey(NAMESPACE, "shop")


class Scene:
    """A hold server, a workload, and what is counted of it."""

    def __init__(self, folder, program):
        workload = {
            "name": "shop",
            "command": [sys.executable, "-S", "-u", "-c", program],
            "readiness": {"interval": 0.002},
            "idle": {"after": 0.01},
        }
        config = LocalConfig.model_validate({"workloads": [workload]})
        store = Store(METRICS)
        starts = ColdStarts(store, Clock(time.monotonic))
        self.store = store
        self.mesh = LocalMesh(config, folder, cold_starts=starts)
        self.mesh.hold.replace({KEY: Workload(KEY)})
        self.supervisor = self.mesh.supervisors[KEY]

    @property
    def counted(self):
        return self.store.value(WAKES, (NAMESPACE, "shop", Winner.LAYBY))

    async def request(self):
        """Have a request wait for the workload, and return what becomes of it."""
        verdict = await self.mesh.hold.throttler.hold(KEY, Request(), Chance())
        return verdict.outcome

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a process: there is nothing but to look."""
        async with asyncio.timeout(4):
            while not condition():
                await asyncio.sleep(0.001)

    async def reaches(self, phase):
        await self.until(lambda: self.supervisor.phase is phase)


@pytest.fixture
async def scene(tmp_path):
    """Return a workload that serves until it is stopped."""
    made = Scene(tmp_path, f"{IMPORTS}{LISTEN}{PAUSE}")
    running = asyncio.create_task(made.supervisor.run(made.mesh.hold), name="shop")
    yield made
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_who_comes_while_it_is_about_to_stop_starts_nothing_and_is_not_counted(scene):
    """A wake is a process that is started; what keeps one running would make it look restless."""
    assert Outcome.RELEASED is await scene.request()
    assert 1 == scene.counted
    await scene.reaches(Phase.STOPPING)
    assert Outcome.RELEASED is await scene.request()
    assert (1, 1) == (scene.supervisor.wakes, scene.counted)


async def test_each_process_is_counted_be_it_that_it_cannot_start(tmp_path):
    """It has been asked for."""
    scene = Scene(tmp_path, "exit(1)")
    running = asyncio.create_task(scene.supervisor.run(scene.mesh.hold), name="shop")
    for count in (1, 2):
        scene.mesh.wake(KEY)
        await scene.until(lambda: bool(scene.supervisor.last_failure))
        scene.supervisor.last_failure = ""
        assert count == scene.counted
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
