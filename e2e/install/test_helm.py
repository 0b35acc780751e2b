"""Layby's life in a cluster by its chart: installed, upgraded, rolled back, and gone."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
import yaml

from deploy.generate import CHART
from e2e import layby
from e2e.stack.api import ApiError
from e2e.stack.binaries import obtain
from e2e.stack.processes import until
from e2e.stack.releases import MissingError
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests

WITHIN = 30.0
CALLERS, PACE = 3, 0.05
BESIDE = {"Event", "Namespace", "APIService"}
"""Kinds that others make for it: history, its place, what serves a definition."""
HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web"},
    "spec": {"targetRef": {"name": "web"}},
}
VALUES = {
    # The process kubelet runs commands, not images.
    "image": {"command": layby.COMMAND, "python": sys.executable},
    "istio": {"istiodUrl": "http://127.0.0.1:8080"},
    "controller": {"leaseSeconds": 4},
}


@pytest.fixture(scope="module")
def helm(stack):
    """Run helm against the stack; return what it prints, and what it says if it fails."""
    try:
        program = obtain("helm")
    except MissingError as error:
        pytest.skip(str(error))

    def run(*words, values=None):
        given = ("--values", "-") if values is not None else ()
        done = subprocess.run(
            [
                *(program, *words, *given, "--namespace", layby.NAMESPACE),
                *("--kubeconfig", stack.kubeconfig),
            ],
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def empty(stack):
    """No Layby, whatever another test has installed."""
    forget(stack.api)
    assert until(lambda: not remains(stack.api), WITHIN), remains(stack.api)


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


def forget(api):
    """Delete all that another test has installed with plain manifests, and the definitions."""
    if not definitions(api):
        return
    for kind in ("HoldPolicy", "TrafficHold"):
        for item in everywhere(api, "layby.dev/v1alpha1", kind):
            api.delete([item])
    assert until(lambda: not everywhere(api, "layby.dev/v1alpha1", "TrafficHold"), WITHIN)
    for path in sorted((layby.ROOT / "deploy" / "manifests").glob("*.yaml")):
        api.delete(path.read_text())
    version, kind = "networking.istio.io/v1alpha3", "EnvoyFilter"
    api.delete([i for i in everywhere(api, version, kind) if i["metadata"]["name"] == "layby"])
    assert until(lambda: not api.items("v1", "Pod", layby.NAMESPACE), WITHIN)
    api.delete(everywhere(api, "coordination.k8s.io/v1", "Lease", layby.NAMESPACE))
    api.delete(definitions(api))


def definitions(api):
    """Layby's CustomResourceDefinitions."""
    found = everywhere(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return [item for item in found if item["spec"]["group"] == "layby.dev"]


def everywhere(api, version, kind, namespace=None):
    """All objects of a kind, each with its kind."""
    stub = {"apiVersion": version, "kind": kind, "metadata": {"namespace": "-"}}
    path = api.path(stub, collection=True)
    path = path.replace("/namespaces/-", f"/namespaces/{namespace}" if namespace else "")
    items = api.request("GET", path)["items"]
    return [{**item, "apiVersion": version, "kind": kind} for item in items]


def remains(api):
    """Whatever of any kind is Layby's by its name or labels, but for what says what happened."""
    groups = api.request("GET", "/apis")["groups"]
    found = set()
    for root in ("/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in groups)):
        for resource in told(api, root, "resources"):
            listable = "list" in resource["verbs"] and "/" not in resource["name"]
            if listable and resource["kind"] not in BESIDE:
                for item in told(api, f"{root}/{resource['name']}", "items"):
                    if is_ours(item):
                        found.add(f"{resource['kind']} {item['metadata']['name']}")
    return found


def told(api, path, what):
    """Part of an answer: what is listed may be gone a moment later."""
    try:
        return api.request("GET", path).get(what) or ()
    except ApiError:
        return ()


def is_ours(item):
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    words = (metadata["name"], labels.get("app.kubernetes.io/part-of", ""))
    return any("layby" in word for word in (*words, labels.get("app.kubernetes.io/managed-by", "")))


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
