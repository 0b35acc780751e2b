"""The fixtures of the end-to-end tests: an API server, and what a test has there of its own."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from e2e import prepared
from e2e.stack.api import Api, parse
from e2e.stack.k3s import K3sError, k3s
from e2e.stack.kubeconfig import KubeconfigError
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS, Stack
from e2e.workloads import manifests

_SINCE = pytest.StashKey[float]()
WITHIN = 15.0
"""Seconds that a change may take to get through."""
_WORDS = 20
"""Lines of each log that a failed test shows."""


def pytest_addoption(parser):
    """Say which API server the tests are to use, instead of one of their own."""
    group = parser.getgroup("layby", "the end-to-end tests")
    group.addoption("--kubeconfig", type=Path, help="use the API server that this file names")
    group.addoption("--k3s", action="store_true", help="use a K3s container's API server")
    group.addoption(
        "--stack-required", action="store_true", help="fail, rather than skip, what lacks a stack"
    )
    group.addoption(
        "--image-required",
        action="store_true",
        help="fail, rather than skip, what lacks a Docker engine or an image to build on",
    )


def pytest_configure(config):
    """Have what tests need prepared; `pytest_plugins` would be for the root's conftest alone."""
    config.pluginmanager.register(prepared, prepared.__name__)


def pytest_runtest_setup(item):
    """Remember when a test began: what the logs say from then on is of interest."""
    item.stash[_SINCE] = time.time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Name the logs of the stack in the report of a failed test, and quote them."""
    report = yield
    stack = item.config.stash.get(prepared.STACK, None)
    if report.failed and stack:
        report.sections.append(("logs of the stack", _quote(stack, item.stash[_SINCE])))
    return report


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory) -> Iterator[Api]:
    """An API server: the one named on the command line, or the stack's."""
    options = request.config.option
    if not options.kubeconfig and not options.k3s:
        yield request.getfixturevalue("stack").api
        return
    try:
        if options.kubeconfig:
            yield Api(options.kubeconfig)
        else:
            with k3s(tmp_path_factory.mktemp("k3s")) as kubeconfig:
                yield Api(kubeconfig)
    except (KubeconfigError, K3sError) as error:
        pytest.skip(str(error))


@pytest.fixture
def namespace(cluster) -> Iterator[str]:
    """A namespace of the test's own, whose pods go with the test."""
    name = f"t-{uuid4().hex[:8]}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": name},
    }
    cluster.create(made)
    try:
        assert until(lambda: cluster.exists(account), 10), "no default service account"
        yield name
    finally:
        cluster.delete(made)
        # A namespace's end takes its time, 5 s at least; its pods, and their load, go at once.
        cluster.request("DELETE", f"/api/v1/namespaces/{name}/pods", {"gracePeriodSeconds": 0})


@pytest.fixture
def apply(cluster, namespace):
    """Apply manifests, in the test's namespace unless they name one; they go with the test."""
    applied = []

    def do(*manifests):
        for given in manifests:
            wanted = parse(given, namespace)
            applied.extend(wanted)
            cluster.apply(wanted)

    yield do
    cluster.delete(applied)


@pytest.fixture
def host(namespace):
    """The host by which the gateway knows the test's workload."""
    return f"web.{namespace}.example"


@pytest.fixture
def service(namespace):
    """The test's workload's name in the mesh."""
    return f"web.{namespace}.svc.cluster.local"


@pytest.fixture
def web(stack, apply, host, service):
    """Deploy `web` with no replica, reached through the gateway and the caller's sidecar."""

    def deploy(*arguments, **fields):
        apply(
            [
                manifests.deployment("web", *arguments, **fields),
                manifests.service("web"),
                manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route("web", host, service, "web"),
            ]
        )
        # An Envoy that has not heard of the route says 404, of the service 502 or nothing at all.
        assert until(lambda: 503 == stack.gateway.get(host).status, WITHIN)
        assert until(lambda: 503 == stack.caller.get(service).status, WITHIN)

    return deploy


@pytest.fixture
def pods(cluster, namespace):
    """Look at the pods of the test's namespace."""
    return lambda: cluster.items("v1", "Pod", namespace)


@pytest.fixture
def pod(cluster, namespace, apply, pods):
    """Run a single pod with some command, and return it once it is as wanted."""

    def run(command, wanted, **spec):
        container = {"name": "app", "image": "none", "command": command}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}
        apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "single"},
                "spec": {"automountServiceAccountToken": False, **spec},
            }
        )
        assert until(lambda: wanted(pods()[0]), WITHIN), pods()[0]["status"]
        return cluster.get("v1", "Pod", "single", namespace)

    return run


def _quote(stack: Stack, since: float) -> str:
    """Quote the end of all logs that have grown since."""
    logs = [p for p in sorted(stack.logs.rglob("*.log")) if p.stat().st_mtime >= since]
    quoted = [str(stack.logs)]
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-_WORDS:]
        quoted += [f"--- {log.relative_to(stack.logs)}", *lines]
    return "\n".join(quoted)
