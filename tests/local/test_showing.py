"""What local mode's page shows."""

import asyncio

import pytest

from extproc.core.probe import Request
from extproc.core.workload import Chance, Workload, WorkloadKey
from local.app import NAMESPACE, LocalMesh
from local.config import LocalConfig
from local.showing import Showing
from local.supervisor import Phase as Life
from page.snapshot import Outcome, Phase, Stage
from telemetry.cold_start import Mark

KEY = WorkloadKey(NAMESPACE, "shop")
HOLD = (NAMESPACE, "shop")


class Scene:
    """A mesh that has never run."""

    def __init__(self, folder):
        workloads = [{"name": "shop", "command": ["/usr/bin/serve", "x"], "idle": {"after": 60}}]
        self.mesh = LocalMesh(LocalConfig.model_validate({"workloads": workloads}), folder)
        self.mesh.hold.replace({KEY: Workload(KEY)})
        self.supervisor = self.mesh.supervisors[KEY]
        self.showing = Showing(self.mesh)

    def shop(self):
        [found] = self.showing.look().workloads
        return found


@pytest.fixture
async def scene(tmp_path):
    return Scene(tmp_path)


async def test_a_workload_that_was_never_asked_for_sleeps(scene):
    found = scene.shop()
    assert (Phase.ZERO, "serve", 0, 0, 0, None, ()) == (
        found.phase,
        found.target,
        found.parked,
        found.replicas,
        found.ready,
        found.quiet,
        found.wakes,
    )
    assert ("AlreadyZero", "asleep: the next request wakes it") == (found.verdict, found.why)
    assert scene.showing.look().title.startswith("local mode at http://127.0.0.1")


@pytest.mark.parametrize(
    ("life", "phase", "verdict", "replicas", "ready"),
    [
        (Life.WAKING, Phase.WAKING, "Waking", 1, 0),
        (Life.WARM, Phase.WARM, "RecentRequest", 1, 1),
        (Life.STOPPING, Phase.STOPPING, "Idle", 1, 1),
    ],
)
async def test_each_phase_says_why(scene, life, phase, verdict, replicas, ready):
    scene.supervisor.phase = life
    found = scene.shop()
    assert (phase, verdict, replicas, ready) == (
        found.phase,
        found.verdict,
        found.replicas,
        found.ready,
    )
    assert found.why


async def test_why_it_failed_is_told_as_trouble(scene):
    scene.supervisor.last_failure = "exited with code 1"
    [condition] = scene.shop().conditions
    assert ("False", "exited with code 1") == (condition.status, condition.message)


async def test_wakes_are_shown_as_they_go_on_and_when_they_are_over(scene):
    starts = scene.mesh.cold_starts
    scene.supervisor.wake()
    [going_on] = scene.shop().wakes
    assert (Outcome.GOING_ON, (Stage("start", 0.0, None),)) == (going_on.outcome, going_on.stages)
    for mark in (Mark.STARTED, Mark.READY, Mark.SEEN):
        starts.mark(HOLD, mark)
    starts.released(HOLD, asyncio.get_running_loop().time())
    [over] = scene.shop().wakes
    assert (Outcome.SUCCEEDED, ["start", "readiness", "endpoint", "release"]) == (
        over.outcome,
        [stage.name for stage in over.stages],
    )
    scene.supervisor.wake()
    starts.failed(HOLD, "no such file")
    assert [Outcome.FAILED, Outcome.SUCCEEDED] == [each.outcome for each in scene.shop().wakes]


async def test_one_that_is_asked_says_what_keeps_it_up(scene):
    """Without a count of seconds: it stays up for as long as it takes."""
    scene.supervisor.phase = Life.WARM
    waiting = asyncio.create_task(
        scene.mesh.hold.throttler.hold(KEY, Request(), Chance(1, 3)), name="request"
    )
    await asyncio.sleep(0)
    found = scene.shop()
    assert ("Busy", 1) == (found.verdict, found.parked)
    assert found.quiet is not None
    waiting.cancel()
    await asyncio.wait([waiting])
