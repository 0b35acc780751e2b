"""Load that comes and goes: replicas follow, no request is lost, and a picture is kept of it."""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import pytest

from bench.client import Connection, Response
from bench.window import Lost, unexplained, windows
from e2e.keda import scene
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import ROOT

mpl.use("Agg")
from matplotlib import pyplot as plt

pytestmark = pytest.mark.usefixtures("installed")

WITHIN = 60.0
FEW, TOP = 20, 200
"""Requests per second, of 50 ms each. One replica is to carry 4 at once: for few it is one, even on
a busy machine, where they come in bunches; for the most it is three."""
STEPS = ((1, 4.0), (FEW, 4.0), (TOP, 12.0), (FEW, 4.0), (1, 6.0))
"""Requests per second, and for how long."""
CONNECTIONS = 8
LOOK_SECONDS = 0.25
PICTURE = ROOT / "build" / "e2e" / "keda-ramp.png"


@dataclass
class Curve:
    """What was seen, moment by moment."""

    at: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    replicas: list[int] = field(default_factory=list)
    parked: list[int] = field(default_factory=list)

    @property
    def course(self) -> list[int]:
        """The numbers of replicas in their order, each run of one number once."""
        return [
            n for n, before in zip(self.replicas, [-1, *self.replicas], strict=False) if n != before
        ]

    def draw(self, path: Path) -> None:
        """Draw it as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        figure, (load, state) = plt.subplots(2, sharex=True, figsize=(9, 6))
        load.plot(self.at, self.rate, color="tab:blue", label="requests per second")
        load.legend(loc="upper left")
        state.step(self.at, self.replicas, where="post", color="tab:green", label="replicas")
        state.plot(self.at, self.parked, color="tab:red", label="parked")
        state.legend(loc="upper left")
        state.set_xlabel("seconds")
        figure.savefig(path, dpi=100)
        plt.close(figure)


async def follow(curve: Curve, web: scene.Web, rate: list[float]) -> None:
    """Look at the workload every now and then, until cancelled."""
    begun = time.monotonic()
    while True:
        replicas, hold = await asyncio.to_thread(lambda: (web.replicas, web.hold))
        curve.at.append(time.monotonic() - begun)
        curve.rate.append(rate[0])
        curve.replicas.append(replicas)
        curve.parked.append(hold["status"].get("pending") or 0)
        await asyncio.sleep(LOOK_SECONDS)


async def send(stack, web: scene.Web, rate: list[float]) -> list[Response]:
    """Send requests at the rate of each step; return their answers."""
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, stack.gateway.address, 80))[1]
        for _ in range(CONNECTIONS)
    ]
    answers: list[asyncio.Future[Response]] = []
    try:
        for per_second, seconds in STEPS:
            rate[0] = per_second
            begun = loop.time()
            for number in range(int(per_second * seconds)):
                await asyncio.sleep(max(0.0, begun + number / per_second - loop.time()))
                connection = connections[number % CONNECTIONS]
                answers.append(connection.request("/pause?seconds=0.05", (), web.host))
        rate[0] = 0
        async with asyncio.timeout(WITHIN):
            return await asyncio.gather(*answers)
    finally:
        for connection in connections:
            connection.close()


async def test_replicas_follow_a_load_that_comes_and_goes(stack, apply, namespace):
    """Zero, one, many, one, zero; the picture is for people."""
    web = scene.Web(stack, namespace)
    scaling = {"target": {"concurrency": 4}, "maxReplicas": 3}
    web.deploy(apply, "--linger", "1", annotations={PROBE_PERIOD: "20ms"}, scaling=scaling)
    assert until(lambda: web.replicas == 0 and not web.pods(), WITHIN)
    curve, rate = Curve(), [0.0]
    following = asyncio.create_task(follow(curve, web, rate))
    try:
        answers = await send(stack, web, rate)
        async with asyncio.timeout(WITHIN):
            while curve.replicas[-1] != 0:
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        following.cancel()
        curve.draw(PICTURE)
    lost = [Lost.of(web.name, answer) for answer in answers if answer.status != 200]
    sys.stderr.write(
        f"{len(answers)} requests, {len(lost)} lost, replicas {curve.course}; {PICTURE}\n"
    )
    assert not unexplained(lost)
    assert windows(lost) <= 1, lost
    course = curve.course
    assert (0, 0) == (course[0], course[-1])
    assert max(course) > 1
    top = course.index(max(course))
    assert course[:top] == sorted(course[:top]), "it went up and down and up again"
    assert course[top:] == sorted(course[top:], reverse=True), "it went down and up and down again"
    assert 1 in course[:top]
    assert 1 in course[top:]
