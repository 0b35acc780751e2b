"""Layby in a mesh: real istiod, real API server, real Envoys, its own RBAC."""

import asyncio
import signal
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from statistics import quantiles

import pytest

from bench.client import Crowd
from e2e import layby
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests

WITHIN = 20.0
HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web"},
}
STARTED, CLOSED = "streams_started", "streams_closed"


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def host(namespace):
    return f"web.{namespace}.example"


@pytest.fixture
def web(stack, apply, namespace, host):
    """Deploy `web` at zero with a TrafficHold, reached through the gateway."""

    def deploy(*arguments, spec=None, name="web", **fields):
        hold = {"targetRef": {"name": name}, "services": [{"name": name}], **(spec or {})}
        apply(
            [
                manifests.deployment(name, *arguments, **fields),
                manifests.service(name),
                manifests.gateway(name, [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route(name, host, f"{name}.{namespace}.svc.cluster.local", name),
                {**HOLD, "metadata": {"name": name}, "spec": hold},
            ]
        )
        # The first request proves that the route is there; then back to zero.
        assert until(lambda: stack.gateway.get(host, patience=5).status == 200, WITHIN)
        to_zero(stack, namespace, name)

    return deploy


def to_zero(stack, namespace: str, name: str = "web") -> None:
    """Scale a workload to zero and wait until the gateway has no endpoint for it."""
    stack.api.scale(name, 0, namespace)
    cluster = f"outbound|80||{name}.{namespace}.svc.cluster.local"
    assert until(lambda: not stack.api.items("v1", "Pod", namespace), WITHIN)
    assert until(lambda: not stack.gateway.endpoints(cluster), WITHIN)


def replicas_written(stack, namespace: str) -> int:
    """How often anybody has changed the Deployment's spec since it was made."""
    return stack.api.get("apps/v1", "Deployment", "web", namespace)["metadata"]["generation"]


def parked(stack) -> int:
    """How many requests the gateway's Envoy has at hold servers now."""
    stats = stack.gateway.stats("ext_proc.*streams_(started|closed)")
    count = Counter({STARTED: 0, CLOSED: 0})
    for name, value in stats.items():
        count[name.rpartition(".")[2]] += value
    return count[STARTED] - count[CLOSED]


@asynccontextmanager
async def crowd_of(stack, host: str, count: int):
    """`count` requests for the host under way through the gateway, all of them parked."""
    crowd = Crowd()
    await crowd.send(80, count, address=stack.gateway.address, authority=host)
    try:
        async with asyncio.timeout(WITHIN):
            while await asyncio.to_thread(parked, stack) < count:
                await asyncio.sleep(0.05)
        yield crowd
    finally:
        crowd.close()


async def statuses(crowd: Crowd) -> Counter[int]:
    async with asyncio.timeout(60):
        return await crowd.statuses()


def test_a_cold_request_takes_the_pods_own_start_and_little_more(stack, web, namespace, host):
    """What the user waits for is the pod; Layby must not add to it noticeably."""
    web(annotations={PROBE_PERIOD: "20ms"})
    added = []
    for _ in range(30):
        sent = time.time()
        reply = stack.gateway.get(host)
        assert reply.status == 200
        said = reply.json()
        added.append(time.time() - sent - (said["started"] - said["born"]))
        to_zero(stack, namespace)
    p99 = quantiles(added, n=100, method="inclusive")[98]
    sys.stderr.write(
        f"added to the pod's own start: p50 {sorted(added)[15]:.3f} s, p99 {p99:.3f} s\n"
    )
    assert p99 < 0.4


async def test_a_thousand_at_once_wake_it_once_and_are_all_answered(stack, web, namespace, host):
    """A burst into a sleeping service is one cold start, not a thousand."""
    web("--delay", "2")
    before = replicas_written(stack, namespace)
    async with crowd_of(stack, host, 1000) as crowd:
        assert Counter({200: 1000}) == await statuses(crowd)
    assert before + 1 == replicas_written(stack, namespace)


async def test_a_killed_hold_server_loses_nobody(stack, web, host):
    """Hold servers die like any other process."""
    web("--delay", "3")
    async with crowd_of(stack, host, 1000) as crowd:
        layby.kill_one(signal.SIGKILL)
        assert Counter({200: 1000}) == await statuses(crowd)


async def test_parked_requests_survive_istiods_death(stack, web, host):
    """Without it Envoy does not hear of the endpoint; with its return, everybody goes on."""
    web("--delay", "3")
    async with crowd_of(stack, host, 200) as crowd:
        stack.istiod.kill()
        await asyncio.to_thread(stack.istiod.restart)
        assert Counter({200: 200}) == await statuses(crowd)


async def test_parked_requests_survive_the_api_servers_death(stack, web, host):
    """Nothing is known of endpoints meanwhile; that is no reason to give up."""
    web("--delay", "3")
    async with crowd_of(stack, host, 200) as crowd:
        await asyncio.to_thread(stack.control_plane.apiserver.restart)
        assert Counter({200: 200}) == await statuses(crowd)


async def test_requests_of_a_deleted_hold_are_let_go(stack, web, namespace, host):
    """Deleting a hold must not leave its requests waiting for a verdict that never comes."""
    web("--delay", "2")
    async with crowd_of(stack, host, 50) as crowd:
        stack.api.delete(
            [
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "metadata": {"name": "web"},
                }
            ],
            namespace,
        )
        answers = await asyncio.wait_for(crowd.answers(), 20)
        assert not [a for a in answers if "x-layby-reason" in a.headers]
        assert {200, 503} >= {a.status for a in answers}
