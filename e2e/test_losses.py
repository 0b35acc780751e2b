"""What dies or is deleted while requests are parked in a mesh, and takes none of them along."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bench.client import Crowd
from e2e import layby
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import Child, until
from e2e.workloads.sleeping import HOLD, WITHIN, Sleeping, statuses

EXTPROC = "layby-extproc"
SLACK = 4.0
"""Seconds by which a busy machine may be late."""


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def web(stack, apply, namespace, host):
    """Deploy `web` at zero with a TrafficHold, reached through the gateway."""
    return Sleeping(stack, apply, namespace, host)


async def test_a_killed_hold_server_loses_nobody(web):
    """Hold servers die like any other process."""
    web("--delay", "3")
    async with web.crowd(1000) as crowd:
        layby.kill_one("extproc", signal.SIGKILL)
        assert Counter({200: 1000}) == await statuses(crowd)


async def test_parked_requests_survive_istiods_death(stack, web):
    """Without it Envoy does not hear of the endpoint; with its return, everybody goes on."""
    web("--delay", "3")
    async with web.crowd(200) as crowd:
        stack.istiod.kill()
        await asyncio.to_thread(stack.istiod.restart)
        answers = await asyncio.wait_for(crowd.answers(), 60)
        assert Counter({200: 200}) == Counter(a.status for a in answers), answers[0]


async def test_parked_requests_survive_the_api_servers_death(stack, web, namespace):
    """Nothing can be woken, nor is known of endpoints, meanwhile; that is no reason to give up."""
    web("--delay", "1")

    def wake_was_tried_again():
        failure = f"{namespace}/web cannot be woken yet"
        failed = Counter(pod for pod, line in layby.said(stack.logs, EXTPROC) if failure in line)
        return any(tries > 1 for tries in failed.values())

    async with AsyncExitStack() as parked:
        async with killed(stack.control_plane.apiserver):
            crowd = await parked.enter_async_context(web.crowd(200))
            assert await asyncio.to_thread(until, wake_was_tried_again, WITHIN)
        answers = await asyncio.wait_for(crowd.answers(), 60)
        assert Counter({200: 200}) == Counter(a.status for a in answers), answers[0]


async def test_requests_of_a_deleted_hold_are_not_lost(stack, web, namespace):
    """Whoever has waited for a workload gets it, and nobody finds it asleep for ever."""
    web("--delay", "2")
    async with web.crowd(50) as crowd:
        stack.api.delete([HOLD], namespace)
        assert Counter({200: 50}) == await statuses(crowd)


async def test_a_killed_leader_is_followed_by_another(stack, web, namespace):
    """Whoever is parked needs none; idle workloads stay up for a lease at most."""
    # Longer than the lease: the crowd is parked until another leads.
    web("--delay", "6", spec={"idle": {"after": "2s"}})
    async with web.crowd(200) as crowd:
        dead = layby.kill_leader(stack.api, stack.logs)

        def another_leads():
            return layby.leader(stack.api) != dead

        assert await asyncio.to_thread(until, another_leads, layby.LEASE_SECONDS + SLACK)
        assert Counter({200: 200}) == await statuses(crowd)
    assert await asyncio.to_thread(until, lambda: not stack.api.items("v1", "Pod", namespace), 60)


@pytest.mark.parametrize("replicas", [0, 1])
async def test_a_hold_on_what_somebody_else_scales_is_deleted_under_load(
    stack, web, namespace, host, replicas
):
    """Nobody could tell from a TrafficHold that goes whether its workload was asleep."""
    web("--delay", "1", annotations={PROBE_PERIOD: "20ms"})
    if replicas:
        stack.api.scale("web", replicas, namespace)
    crowd = Crowd()
    address = stack.gateway.address
    sending = asyncio.create_task(stream(crowd, address, host), name="requests")
    await asyncio.to_thread(stack.api.delete, [HOLD], namespace)
    gone = {**HOLD, "metadata": {"name": "web", "namespace": namespace}}
    assert await asyncio.to_thread(until, lambda: not stack.api.exists(gone), WITHIN)
    count = await sending
    assert Counter({200: count}) == await statuses(crowd)
    crowd.close()


@asynccontextmanager
async def killed(child: Child) -> AsyncIterator[None]:
    """Have a program of the stack be dead for a while, and ready again afterwards."""
    child.kill()
    try:
        yield
    finally:
        child.start()
        await asyncio.to_thread(child.wait)


async def stream(crowd: Crowd, address: str, host: str) -> int:
    """Send requests one after the other for longer than the start takes; return how many."""
    loop = asyncio.get_running_loop()
    until_time, count = loop.time() + 4, 0
    while loop.time() < until_time:
        await crowd.send(80, 1, address=address, authority=host)
        count += 1
        await asyncio.sleep(0.01)
    return count
