"""Hold servers that an autoscaler takes away, or a rollout replaces, while KEDA asks them."""

import asyncio
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path

import pytest
import yaml

from bench.client import Crowd
from deploy.generate import CHART
from e2e import layby
from e2e.keda import scene, usage
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.workloads import manifests

pytestmark = pytest.mark.usefixtures("installed")

WITHIN = 60.0
CROWD = 400
START_SECONDS = 12
"""Of a workload: long enough for a hold server to be gone before requests are let go."""
THRESHOLD = 180
"""Failed polls, of one a second: as long as the three minutes that the documentation advises."""
LOOK_SECONDS = 0.2
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "layby-extproc", "namespace": layby.NAMESPACE},
}


@pytest.fixture
async def crowd():
    """Requests that are dropped at the end, however that is."""
    crowd = Crowd()
    yield crowd
    crowd.close()


@pytest.fixture
def two(stack):
    """Two hold servers, before and after."""
    layby.install(stack.api)
    assert until(lambda: len(parked(stack)) == 2, WITHIN)
    yield
    layby.install(stack.api)


def parked(stack) -> list[int]:
    """How many requests each hold server that is there to stay holds, in its own words."""
    pods = stack.api.items("v1", "Pod", layby.NAMESPACE)
    told = (
        usage.metric(pod["status"]["podIP"], "layby_hold_parked")
        for pod in pods
        if pod["metadata"]["name"].startswith("layby-extproc")
        and "deletionTimestamp" not in pod["metadata"]
        and "podIP" in pod["status"]
    )
    return [int(each) for each in told if each is not None]


@pytest.mark.usefixtures("two")
async def test_a_hold_server_that_is_scaled_in_loses_nothing(stack, apply, namespace, crowd):
    """What it holds goes to the other; an autoscaler may take one away at any moment."""
    web = scene.Web(stack, namespace)
    web.deploy(apply, "--delay", str(START_SECONDS), annotations={PROBE_PERIOD: "20ms"})
    await asyncio.to_thread(web.sleep)
    await crowd.send(80, CROWD, address=stack.gateway.address, authority=web.host)

    def all_parked() -> bool:
        return sum(parked(stack)) == CROWD

    assert await asyncio.to_thread(until, all_parked, WITHIN)
    before = await asyncio.to_thread(parked, stack)
    assert all(before), f"only one of them holds requests: {before}"
    stack.api.scale("layby-extproc", 1, layby.NAMESPACE)
    is_alone = await asyncio.to_thread(
        until, lambda: len(list(layby.processes("extproc"))) == 1, WITHIN
    )
    assert is_alone
    left = await asyncio.to_thread(parked, stack)
    async with asyncio.timeout(WITHIN):
        statuses = await crowd.statuses()
    sys.stderr.write(f"held before {before}, after {left}; answers {dict(statuses)}\n")
    assert {HTTPStatus.OK: CROWD} == statuses
    assert [CROWD] == left, "they were let go before the hold server was gone"


@pytest.mark.usefixtures("two")
def test_a_rollout_of_hold_servers_is_no_news_and_does_not_use_up_a_fallback(
    stack, apply, namespace
):
    """KEDA counts polls that fail while the account is not whole, and then wakes what sleeps.

    Of what has no fallback it says that it is not Ready.
    """
    web, plain = (scene.Web(stack, namespace, name) for name in ("web", "plain"))
    fallback = {"failureThreshold": THRESHOLD, "replicas": 1}
    web.deploy(apply, annotations={PROBE_PERIOD: "20ms"}, scaling={"fallback": fallback})
    plain.deploy(apply, annotations={PROBE_PERIOD: "20ms"})
    web.sleep()
    plain.sleep()
    before = web.generation

    def failures() -> int:
        health = web.scaled_object("layby-web")["status"].get("health", {})
        return max((each.get("numberOfFailures", 0) for each in health.values()), default=0)

    assert until(lambda: failures() == 0, WITHIN)
    begun = time.monotonic()
    stamp = {"annotations": {"kubectl.kubernetes.io/restartedAt": str(begun)}}
    stack.api.patch(DEPLOYMENT, {"spec": {"template": {"metadata": stamp}}})
    seen, said, steady = [0], set(), []

    def over() -> bool:
        seen.append(failures())
        said.add(scene.condition(plain.scaled_object("layby-plain"), "Ready").get("status"))
        steady.append(plain.is_scaled_by_keda())
        return seen[-1] == 0 and max(seen) > 0

    assert until(over, 2 * WITHIN, LOOK_SECONDS)
    sys.stderr.write(f"{max(seen)} failures in {time.monotonic() - begun:.0f} s\n")
    assert max(seen) < THRESHOLD
    assert before == web.generation
    assert "False" in said, "KEDA has not even said that it gets no answer"
    assert all(steady)
    assert not [each for each in plain.events() if each.startswith(("ScaledObject", "KEDA"))]


@pytest.mark.usefixtures("two")
async def test_hold_servers_come_and_go_with_their_work(
    stack, apply, namespace, tmp_path, crowd, helm
):
    """By the chart's own autoscaler: more by their CPU, fewer when it is over, and none is lost."""
    web = scene.Web(stack, namespace)
    web.deploy(apply, annotations={PROBE_PERIOD: "20ms"})
    await asyncio.to_thread(web.sleep)
    apply(manifests.deployment("web", "--delay", "40", annotations={PROBE_PERIOD: "20ms"}))
    with usage.served(stack.api, stack.kubeconfig, tmp_path / "usage"):
        apply(autoscaler(helm))
        await crowd.send(80, CROWD, address=stack.gateway.address, authority=web.host)
        course = [2]
        async with asyncio.timeout(2 * WITHIN):
            while course[-1] != 3:
                await come_and_go(stack, web.host)
                course.append(await asyncio.to_thread(hold_servers, stack))
            while course[-1] != 2:
                await asyncio.sleep(LOOK_SECONDS)
                course.append(await asyncio.to_thread(hold_servers, stack))
        left = await asyncio.to_thread(parked, stack)
        async with asyncio.timeout(2 * WITHIN):
            statuses = await crowd.statuses()
    sys.stderr.write(f"still held {left}; answers {dict(statuses)}\n")
    assert {HTTPStatus.OK: CROWD} == statuses


async def come_and_go(stack, host: str) -> None:
    """Park many requests whose clients leave at once: work for hold servers and nobody else."""
    crowd = Crowd()
    await crowd.send(80, CROWD, address=stack.gateway.address, authority=host)
    await asyncio.sleep(LOOK_SECONDS)
    crowd.close()


def hold_servers(stack) -> int:
    """How many hold servers are there, and ready."""
    found = stack.api.get("apps/v1", "Deployment", "layby-extproc", layby.NAMESPACE)
    told = {found["spec"]["replicas"], *map(found["status"].get, ("readyReplicas", "replicas"))}
    return told.pop() if len(told) == 1 else 0


def autoscaler(helm: Path) -> dict:
    """The chart's, but quick."""
    command = [
        *(helm, "template", "layby", CHART, "--namespace", layby.NAMESPACE),
        *("--show-only", "templates/extproc-autoscaler.yaml"),
        *("--set", "extproc.autoscaling.enabled=true,extproc.autoscaling.maxReplicas=3"),
        *("--set", "extproc.autoscaling.targetCPU=30m"),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made = yaml.safe_load(text)
    down = made["spec"]["behavior"]["scaleDown"]
    down["stabilizationWindowSeconds"] = 0
    down["policies"] = [{"type": "Pods", "value": 1, "periodSeconds": 1}]
    return made
