"""A real API server, alone in a network of its own."""

import asyncio
from uuid import uuid4

import pytest
import yaml

from e2e.stack import controlplane
from e2e.stack.processes import Children
from kube.client import Kube
from kube.connection import Connection
from kube.resource import CONFIG_MAPS, NAMESPACES, Key
from tests.kube.real.proxy import Proxy
from tests.networks import own_network

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="session")
def network():
    """A network of its own."""
    with own_network(PROGRAMS) as network:
        yield network


@pytest.fixture(scope="session")
def started(network, tmp_path_factory):
    """An API server with nothing on it."""
    children = Children(tmp_path_factory.mktemp("kube"), network)
    try:
        with network.entered():
            plane = controlplane.ControlPlane(children)
            plane.start()
            # Nothing here needs its controllers.
            plane.manager.stop()
        yield plane
    finally:
        children.close()


@pytest.fixture
def plane(network, started):
    """The API server; the test is in its network."""
    with network.entered():
        yield started


@pytest.fixture
async def connection(plane):
    """A connection as one who may do anything."""
    async with await Connection.open(kubeconfig=plane.kubeconfig, user_agent="t") as connection:
        yield connection


@pytest.fixture
def kube(connection):
    return Kube(connection)


@pytest.fixture
async def proxy(plane):
    """A line to the API server that can be cut."""
    proxy = Proxy(*plane.server.removeprefix("https://").split(":"))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def far_kubeconfig(plane, proxy, tmp_path):
    """A file that leads to the API server over that line."""
    document = yaml.safe_load(plane.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://{proxy.host}:{proxy.port}"
    file = tmp_path / "far"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
async def far(far_kubeconfig):
    """A client that may do anything, at the other end of that line."""
    async with await Connection.open(kubeconfig=far_kubeconfig, user_agent="far") as connection:
        yield Kube(connection)


@pytest.fixture
async def shop(kube):
    """A namespace of the test's own."""
    name = f"t-{uuid4().hex[:8]}"
    await kube.create(NAMESPACES, {"metadata": {"name": name}})
    return name


@pytest.fixture
def note(kube, shop):
    """Write a small object; return its key."""

    async def write(name, text="x"):
        body = {"metadata": {"namespace": shop, "name": name}, "data": {"text": text}}
        await kube.apply(CONFIG_MAPS, body)
        return Key(shop, name)

    return write


@pytest.fixture
async def run():
    """Run something beside the test, until its end."""
    tasks = []

    def start(coroutine):
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
