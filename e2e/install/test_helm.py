"""Layby's life in a cluster by its chart: installed, upgraded, rolled back, and gone."""

import asyncio
import json
import sys
from collections import Counter
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from deploy.generate import CHART
from e2e import layby
from e2e.install.charts import VALUES
from e2e.install.remains import definitions, remains
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests

WITHIN = 30.0
CALLERS, PACE = 3, 0.05
HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web"},
    "spec": {"targetRef": {"name": "web"}},
}


@pytest.fixture
def web(stack, apply, namespace):
    """Deploy a workload at zero, held; return its host."""
    host = f"web.{namespace}.example"

    def deploy(*arguments):
        apply(
            [
                manifests.deployment("web", *arguments),
                manifests.service("web"),
                manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route("web", host, f"web.{namespace}.svc.cluster.local", "web"),
                HOLD,
            ]
        )
        return host

    return deploy


def to_zero(stack, namespace):
    """Have `web` asleep, and the gateway know."""
    stack.api.scale("web", 0, namespace)
    cluster = f"outbound|80||web.{namespace}.svc.cluster.local"
    assert until(lambda: not stack.api.items("v1", "Pod", namespace), WITHIN)
    assert until(lambda: not stack.gateway.endpoints(cluster), WITHIN)


def replicas(api, name, namespace):
    return api.get("apps/v1", "Deployment", name, namespace)["spec"]["replicas"]


@asynccontextmanager
async def load(stack, host):
    """Ask again and again, several at a time; count what is answered, and how."""
    answers = Counter()
    stopping = asyncio.Event()

    async def ask():
        while not stopping.is_set():
            reply = await asyncio.to_thread(stack.gateway.get, host)
            answers["ok" if reply.status == HTTPStatus.OK else said(reply)] += 1
            await asyncio.sleep(PACE)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(ask())
        yield answers
        stopping.set()


@pytest.mark.usefixtures("empty")
async def test_layby_by_its_chart_from_the_first_day_to_the_last(stack, helm, web, namespace):
    """Nobody notices an upgrade or a rollback, and of what is uninstalled nothing stays."""
    api, there = stack.api, ("--wait", "--timeout", "60s")

    told = await asyncio.to_thread(
        helm, "install", "layby", CHART, "--create-namespace", *there, values=VALUES
    )
    assert "kind: TrafficHold" in told.partition("NOTES:")[2]

    host = web("--delay", "1", "--linger", "1")
    # Until the gateway has heard of the route, it answers by itself.
    assert await asyncio.to_thread(until, lambda: ok(stack, host), WITHIN)
    await asyncio.to_thread(to_zero, stack, namespace)
    cold = await asyncio.to_thread(stack.gateway.get, host)
    assert (200, True) == (cold.status, cold.seconds > 1)

    await asyncio.to_thread(to_zero, stack, namespace)
    more = {**VALUES, "extproc": {"replicas": 3, "maxPending": 5000}}
    async with load(stack, host) as answers:
        await asyncio.to_thread(helm, "upgrade", "layby", CHART, *there, values=more)
    assert {"ok"} == answers.keys(), answers
    assert 3 == replicas(api, "layby-extproc", layby.NAMESPACE)
    say("upgrade", answers)

    await asyncio.to_thread(to_zero, stack, namespace)
    async with load(stack, host) as answers:
        await asyncio.to_thread(helm, "rollback", "layby", "1", *there)
    assert {"ok"} == answers.keys(), answers
    assert 2 == replicas(api, "layby-extproc", layby.NAMESPACE)
    say("rollback", answers)
    revisions = json.loads(await asyncio.to_thread(helm, "history", "layby", "-o", "json"))
    assert ["superseded", "superseded", "deployed"] == [each["status"] for each in revisions]

    await asyncio.to_thread(to_zero, stack, namespace)
    async with load(stack, host) as answers:
        await asyncio.to_thread(helm, "uninstall", "layby", *there)
        await asyncio.sleep(1)  # and what comes after it is served like what came before
    assert {"ok"} == answers.keys(), answers
    say("uninstall", answers)
    assert 1 == replicas(api, "web", namespace)
    kept = {f"CustomResourceDefinition {item['metadata']['name']}" for item in definitions(api)}
    assert 2 == len(kept)
    assert await asyncio.to_thread(until, lambda: kept == remains(api), WITHIN), remains(api)


def ok(stack, host):
    return stack.gateway.get(host, patience=10).status == HTTPStatus.OK


def said(reply):
    """What a refusal says for itself, without what differs from one to the next."""
    reason = reply.headers.get("x-layby-reason", "")
    return f"{reply.status} {reason} {reply.body.decode(errors='replace')}"


def say(what, answers):
    """Print the figure that the documentation quotes."""
    sys.stderr.write(f"{what}: {answers.total()} requests, {dict(answers)}\n")
