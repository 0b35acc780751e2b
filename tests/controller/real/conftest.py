"""A real API server with Layby's and Istio's definitions, and the controller under its own role."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from controller.app import Controller
from controller.settings import Settings
from e2e.stack import istiod
from e2e.stack.binaries import istio_crds
from e2e.stack.controlplane import ControlPlane
from e2e.stack.processes import Children, until
from kube.client import Kube
from kube.connection import Connection
from kube.resource import Key
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.controller.conftest import FakeDemand
from tests.networks import own_network

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
ROOT = Path(__file__).parents[3]
NAMESPACES = ("layby-system", "istio-system")
SERVED = ("layby.dev/v1alpha1", "networking.istio.io/v1", "networking.istio.io/v1alpha3")


@pytest.fixture(scope="session")
def network():
    """A network of its own."""
    with own_network(PROGRAMS) as network:
        yield network


@pytest.fixture(scope="session")
def started(network, tmp_path_factory):
    """A control plane on which Layby is installed, but does not run."""
    if not istio_crds().is_file():
        pytest.skip("Istio's definitions are not there")
    children = Children(tmp_path_factory.mktemp("controller"), network)
    try:
        with network.entered():
            plane = ControlPlane(children)
            plane.start()
            _install(plane)
        yield plane
    finally:
        children.close()


@pytest.fixture
def plane(network, started):
    """The control plane; the test is in its network."""
    with network.entered():
        yield started


@pytest.fixture
def api(plane):
    """The API server as an administrator sees it."""
    return plane.api


@pytest.fixture
def shop(api):
    """A namespace of the test's own."""
    name = f"shop-{uuid4().hex[:8]}"
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


class Running:
    """A controller that runs under the role of its manifest, and counts what it asks for."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.demand = FakeDemand()
        settings = Settings(identity=uuid4().hex[:8], lease_seconds=4)
        self.controller = Controller(kube, settings, self.demand, Telemetry(None, TraceSettings()))
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(self.controller.run(self.stopping))

    @property
    def writes(self) -> int:
        """How many writes it has sent, but for its lease."""
        return sum(self.kube.requests[verb] for verb in ("apply", "create", "patch", "delete"))

    def say(self, key: Key, **demand) -> None:
        """Have another demand from now on, and tell."""
        self.demand.say(key.name, namespace=key.namespace, **demand)

    async def stop(self) -> None:
        """End it, and see that it ends well."""
        self.stopping.set()
        await self.task


@pytest.fixture
async def running(plane):
    """A controller that runs."""
    kubeconfig = plane.kubeconfig_of("layby-controller", "layby-system")
    async with await Connection.open(kubeconfig=kubeconfig, user_agent="t") as connection:
        running = Running(Kube(connection))
        yield running
        await running.stop()


def _install(plane: ControlPlane) -> None:
    for name in NAMESPACES:
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    istiod.install_crds(plane.api)
    for file in sorted((ROOT / "crds" / "yaml").glob("*.yaml")):
        plane.api.apply(yaml.safe_load(file.read_text()))
    manifest = (ROOT / "deploy" / "manifests" / "controller.yaml").read_text()
    documents = [each for each in yaml.safe_load_all(manifest) if each["kind"] != "Deployment"]
    plane.api.apply(documents)
    assert until(lambda: all(map(plane_serves(plane), SERVED)), within=20)


def plane_serves(plane):
    """Return a test for whether a group and version is served."""

    def serves(version: str) -> bool:
        groups = plane.api.request("GET", "/apis")["groups"]
        return any(
            each["groupVersion"] == version for group in groups for each in group["versions"]
        )

    return serves
