"""The fixtures of the end-to-end tests: an API server, and the stack with it."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from e2e.stack import jaeger as jaegers
from e2e.stack.api import Api, parse
from e2e.stack.binaries import obtain
from e2e.stack.k3s import K3sError, k3s
from e2e.stack.keda.installation import Keda
from e2e.stack.kubeconfig import KubeconfigError
from e2e.stack.namespace import NamespaceError
from e2e.stack.processes import until
from e2e.stack.releases import MissingError
from e2e.stack.whole import GATEWAY_LABELS, Stack, prepare, prepare_keda, running
from e2e.workloads import manifests
from local.envoy import EnvoyError

_STACK = pytest.StashKey[Stack]()
_LACK = pytest.StashKey[str]()
_LACK_OF_KEDA = pytest.StashKey[str]()
_LACK_OF_JAEGER = pytest.StashKey[str]()
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


def pytest_collection_modifyitems(items):
    """Run what needs the stack last: this process moves into the stack's network.

    What needs KEDA comes after all others, for once it is there, it is there for everybody.
    """
    items.sort(key=lambda item: (_needs_stack(item), _needs_keda(item)))


def pytest_collection_finish(session):
    """Build what is missing before the first test: no test's timeout allows for it."""
    config = session.config
    if config.option.collectonly or not any(_needs_stack(item) for item in session.items):
        return
    if config.option.kubeconfig or config.option.k3s:
        config.stash[_LACK] = "needs a stack of its own, not just an API server"
        return
    with _uncaptured(config):
        try:
            prepare()
        except (MissingError, EnvoyError, NamespaceError) as error:
            config.stash[_LACK] = str(error)
            return
        if any(_needs_keda(item) for item in session.items):
            try:
                prepare_keda()
            except MissingError as error:
                config.stash[_LACK_OF_KEDA] = str(error)
        if any("jaeger" in item.fixturenames for item in session.items if _needs_stack(item)):
            try:
                obtain(jaegers.PROGRAM)
            except MissingError as error:
                config.stash[_LACK_OF_JAEGER] = str(error)


def pytest_runtest_setup(item):
    """Remember when a test began: what the logs say from then on is of interest."""
    item.stash[_SINCE] = time.time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Name the logs of the stack in the report of a failed test, and quote them."""
    report = yield
    stack = item.config.stash.get(_STACK, None)
    if report.failed and stack:
        report.sections.append(("logs of the stack", _quote(stack, item.stash[_SINCE])))
    return report


@pytest.fixture(scope="session")
def stack(request, tmp_path_factory) -> Iterator[Stack]:
    """The stack, with this process in its network."""
    config = request.config
    lacking = pytest.fail if config.option.stack_required else pytest.skip
    if reason := config.stash.get(_LACK, None):
        lacking(reason)
    with running(tmp_path_factory.mktemp("stack")) as whole:
        config.stash[_STACK] = whole
        yield whole


@pytest.fixture(scope="session")
def keda(request, stack) -> Keda:
    """KEDA in the stack, from the first test on that asks for it; it goes with the stack."""
    config = request.config
    if reason := config.stash.get(_LACK_OF_KEDA, None):
        (pytest.fail if config.option.stack_required else pytest.skip)(reason)
    stack.keda.install()
    return stack.keda


@pytest.fixture(scope="session")
def jaeger(request, stack) -> jaegers.Jaeger:
    """Jaeger in the stack, from the first test on that asks for it; it goes with the stack."""
    config = request.config
    if reason := config.stash.get(_LACK_OF_JAEGER, None):
        (pytest.fail if config.option.stack_required else pytest.skip)(reason)
    started = jaegers.Jaeger(stack.children)
    started.child.wait()
    return started


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


def _needs_stack(item) -> bool:
    return not {"stack", "cluster"}.isdisjoint(getattr(item, "fixturenames", ()))


def _needs_keda(item) -> bool:
    return "keda" in getattr(item, "fixturenames", ())


def _uncaptured(config):
    return config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled()


def _quote(stack: Stack, since: float) -> str:
    """Quote the end of all logs that have grown since."""
    logs = [p for p in sorted(stack.logs.rglob("*.log")) if p.stat().st_mtime >= since]
    quoted = [str(stack.logs)]
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-_WORDS:]
        quoted += [f"--- {log.relative_to(stack.logs)}", *lines]
    return "\n".join(quoted)
