"""Hold servers that die, freeze, leave or were never there, behind a real Envoy."""

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from bench.client import LOST, Crowd
from bench.rig import Rig
from local.envoy import EnvoyError, find_envoy

pytestmark = pytest.mark.envoy

PATIENCE = 30.0


@asynccontextmanager
async def rig(**options):
    """A rig that is given up after `PATIENCE` seconds."""
    try:
        find_envoy()
    except EnvoyError as error:
        pytest.skip(str(error))
    async with asyncio.timeout(PATIENCE), Rig(**options) as running:
        yield running


@asynccontextmanager
async def crowd_of(running: Rig, count: int, path: str = "/"):
    """`count` requests under way."""
    crowd = Crowd()
    await crowd.send(running.port, count, path)
    try:
        yield crowd
    finally:
        crowd.close()


async def held_elsewhere(running: Rig, count: int) -> None:
    """Wait until the last hold server alone holds `count` requests."""
    while (await running.replicas[-1].stats())["pending"] != count:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_requests_of_a_dead_or_frozen_server_move_to_another(number):
    """No request lost is the product: a hold server is as mortal as any other process."""
    async with rig(replicas=2) as running, crowd_of(running, 2000) as crowd:
        await running.parked(2000)
        clock = asyncio.get_running_loop().time
        struck = clock()
        running.replicas[0].signal(number)
        await held_elsewhere(running, 2000)
        moved_within = clock() - struck
        running.replicas.pop(0)
        running.wake()
        assert Counter({200: 2000}) == await crowd.statuses()
        assert moved_within < 10


async def test_a_server_that_drains_hands_its_requests_over():
    """A rolling update of Layby must not be noticed by anybody."""
    pair = rig(replicas=2, arguments=("--hand-over",))
    async with pair as running, crowd_of(running, 1000) as crowd:
        await running.parked(1000)
        running.replicas[0].signal(signal.SIGTERM)
        await held_elsewhere(running, 1000)
        assert 0 == await running.replicas.pop(0).wait()
        running.wake()
        assert Counter({200: 1000}) == await crowd.statuses()


async def test_a_server_alone_waits_for_the_workload_before_it_drains():
    """With nobody to hand over to, patience is what saves the requests."""
    async with rig() as running, crowd_of(running, 100) as crowd:
        await running.parked(100)
        running.replicas[0].signal(signal.SIGTERM)
        running.wake()
        assert Counter({200: 100}) == await crowd.statuses()


async def test_a_server_alone_says_come_again_when_patience_ends():
    """A client that is told when to come again does; one that is cut off may not."""
    async with rig(arguments=("--patience", "0.2")) as running, crowd_of(running, 100) as crowd:
        await running.parked(100)
        running.replicas[0].signal(signal.SIGTERM)
        answers = await crowd.answers()
        assert Counter({503: 100}) == Counter(answer.status for answer in answers)
        assert {"draining"} == {answer.headers["x-layby-reason"] for answer in answers}
        assert {"1"} == {answer.headers["retry-after"] for answer in answers}


async def test_without_any_hold_server_warm_traffic_is_untouched():
    """Layby may be down altogether: that is the price of nothing but a cold start."""
    async with rig() as running:
        running.replicas[0].signal(signal.SIGKILL)
        await running.replicas.pop(0).wait()
        async with crowd_of(running, 100, "/warm") as crowd:
            assert Counter({200: 100}) == await crowd.statuses()
        started = await running.envoy.ask("GET", "/stats?filter=ext_proc.*streams_started")
        assert "streams_started: 0" in started
        async with crowd_of(running, 10) as crowd:
            answers = await crowd.answers()
        assert Counter({503: 10}) == Counter(answer.status for answer in answers)
        # All retries of all chances come before it: a second or two, as docs/mesh.md has it.
        assert max(answer.answered_at - answer.sent_at for answer in answers) < 5
        assert not [answer for answer in answers if "x-layby-reason" in answer.headers]


async def test_clients_that_leave_free_their_places_at_once():
    """A place held for a client that has gone is a place refused to one that has not."""
    async with rig() as running:
        clock = asyncio.get_running_loop().time
        async with crowd_of(running, 1000) as crowd:
            await running.parked(1000)
            left = clock()
        await running.parked(0)
        freed_within = clock() - left
        assert Counter({LOST: 1000}) == await crowd.statuses()
        # Sooner than any patience ends. How soon it is `python -m bench.hold leave` measures, whose
        # figure is in ARCHITECTURE.md; a busy machine must not fail a test.
        assert freed_within < 5


async def test_requests_released_before_envoy_knows_come_back_and_go_on():
    """The control plane tells Envoy later than the hold server: nobody may pay with a 503."""
    async with rig(eds_delay=0.3) as running:
        for _ in range(2):
            async with crowd_of(running, 50) as crowd:
                await running.parked(50)
                running.wake()
                assert Counter({200: 50}) == await crowd.statuses()
            await running.sleep()


async def test_ten_thousand_are_parked_and_released():
    """A burst is when a mesh is watched."""
    async with rig() as running, crowd_of(running, 10_000) as crowd:
        await running.parked(10_000)
        running.wake()
        assert Counter({200: 10_000}) == await crowd.statuses()
