"""Several processes of which one acts; and their ends, none of them peaceful."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from kube.resource import LEASES, Key
from tests.kube.real.lead import TERM

pytestmark = pytest.mark.kube

ROOT = Path(__file__).parents[3]
SLACK = 1.5
"""Seconds for a machine that does other things as well."""


class Process:
    """A candidate in a process of its own."""

    def __init__(self, name, process, transcript):
        self.name = name
        self.process = process
        self.transcript = transcript
        self.acts = False
        self.ready = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            text = line.decode().strip()
            self.transcript.append((asyncio.get_running_loop().time(), self.name, text))
            self.acts = text == "acts"
            self.ready.set()

    async def end(self, number):
        """Send a signal, and wait for the end."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            await self.process.wait()
        await self.reading
        self.acts = False


@pytest.fixture
def transcript():
    """What all processes said, with the time."""
    return []


@pytest.fixture
async def start(plane, shop, transcript):
    """Start processes, and kill them after the test."""
    processes = []

    async def start(name):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.kube.real.lead", str(plane.kubeconfig), shop, name),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        processes.append(Process(name, process, transcript))
        await asyncio.wait_for(processes[-1].ready.wait(), 20)
        return processes[-1]

    yield start
    for process in processes:
        await process.end(signal.SIGKILL)


async def acts(process, within):
    """Wait until a process acts; return how long that took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(within):
        while not process.acts:
            await asyncio.sleep(0.005)
    return loop.time() - begun


async def test_a_killed_leader_is_followed_within_its_lease(start):
    """It said nothing, so that its lease must run out first; but no longer."""
    first, second = await start("first"), await start("second")
    await acts(first, 10)
    await asyncio.sleep(1)
    first.process.kill()
    took = await acts(second, TERM.lease_seconds + SLACK); print("TOOK", took)
    assert TERM.lease_seconds - TERM.renew_seconds - 0.5 < took


async def test_a_leader_that_ends_is_followed_at_once(start, kube, shop):
    """An upgrade: the one that goes says so when all is done."""
    first, second = await start("first"), await start("second")
    await acts(first, 10)
    first.process.terminate()
    print("RELEASE", await acts(second, SLACK))
    await first.end(signal.SIGTERM)
    lease = await kube.get(LEASES, Key(shop, "lead"))
    assert ("second", 1) == (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"])


async def test_a_frozen_leader_stops_as_soon_as_it_wakes_up(start):
    """It slept through the end of its lease, and another acts by now."""
    first, second = await start("first"), await start("second")
    await acts(first, 10)
    first.process.send_signal(signal.SIGSTOP)
    await acts(second, TERM.lease_seconds + SLACK)
    first.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(SLACK):
        while first.acts:
            await asyncio.sleep(0.005)
    await asyncio.sleep(1)
    assert second.acts
    assert not first.acts


async def test_without_an_api_server_nobody_acts_for_long(start, plane, transcript):
    """The one that leads cannot know whether it still does."""
    first, second = await start("first"), await start("second")
    await acts(first, 10)
    loop = asyncio.get_running_loop()
    stopped = loop.time()
    plane.apiserver.kill()
    try:
        async with asyncio.timeout(TERM.act_seconds + SLACK):
            while first.acts:
                await asyncio.sleep(0.005)
        assert loop.time() - stopped < TERM.act_seconds + SLACK
        assert not second.acts
    finally:
        await asyncio.to_thread(plane.apiserver.start)
        await asyncio.to_thread(plane.apiserver.wait)
    async with asyncio.timeout(TERM.lease_seconds + 5):
        while not (first.acts or second.acts):
            await asyncio.sleep(0.01)
    assert not (first.acts and second.acts)
    assert never_two_at_a_time(transcript)


async def test_however_they_end_no_two_act_at_a_time(start, transcript):
    """The one promise that matters."""
    processes = [await start(f"process-{number}") for number in range(3)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        async with asyncio.timeout(TERM.lease_seconds + SLACK + 5):
            while not any(process.acts for process in processes):
                await asyncio.sleep(0.005)
        (leader,) = (process for process in processes if process.acts)
        await leader.end(number)
        # What was killed could not say that it stops.
        transcript.append((asyncio.get_running_loop().time(), leader.name, "stops"))
        processes.remove(leader)
    await acts(processes[0], TERM.lease_seconds + SLACK)
    assert never_two_at_a_time(transcript)


def never_two_at_a_time(transcript):
    """Tell whether each had stopped before another began."""
    acting = set()
    for _, name, text in transcript:
        if text == "acts":
            acting.add(name)
        elif text == "stops":
            acting.discard(name)
        if len(acting) > 1:
            return False
    return True
