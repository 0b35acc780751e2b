"""Sleeping and waking, over and over, while requests keep coming."""

import asyncio
import random
from collections import Counter

import pytest

from local.supervisor import Phase

pytestmark = pytest.mark.envoy

NAMES = tuple(f"w{number}" for number in range(10))
CYCLES = 200
WITHIN = 55.0
SEED = 3


@pytest.mark.timeout(WITHIN + 30)
async def test_no_request_is_lost_over_two_hundred_sleeps(run_mesh, workload):
    """A request may come at any moment of a workload's end, and must not find out."""
    workloads = [
        workload("web", "--abrupt", name=name, prefixes=[f"/{name}"], idle={"after": 0.1})
        for name in NAMES
    ]
    met: Counter[Phase] = Counter()
    failures: list[str] = []
    async with run_mesh(*workloads) as running, asyncio.timeout(WITHIN):
        supervisors = running.mesh.supervisors.values()

        def wakes() -> int:
            return sum(supervisor.wakes for supervisor in supervisors)

        async def visit(name: str, rng: random.Random) -> None:
            supervisor = running.supervisor(name)
            while wakes() < CYCLES:
                met[supervisor.phase] += 1
                async with running.crowd(
                    rng.randint(1, 3), f"/{name}/pause?seconds={rng.uniform(0, 0.1):.3f}"
                ) as crowd:
                    for answer in await crowd.answers():
                        if answer.status != 200:
                            failures.append(f"{name}: {answer}")
                await asyncio.sleep(rng.uniform(0.0, 1.0))

        async with asyncio.TaskGroup() as tasks:
            for number, name in enumerate(NAMES):
                tasks.create_task(visit(name, random.Random(SEED + number)), name=name)
        assert wakes() >= CYCLES
    assert [] == failures
    assert {Phase.ZERO, Phase.WARM, Phase.STOPPING} <= met.keys()
