import subprocess
from pathlib import Path

import pytest

from e2e.stack.api import YAML
from e2e.stack.binaries import locate
from e2e.stack.controlplane import ControlPlane
from e2e.stack.processes import Children, until
from tests.networks import own_network

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FILES = Path(__file__).parents[3] / "crds" / "yaml"


@pytest.fixture(scope="session")
def network():
    """A network of its own."""
    with own_network(PROGRAMS) as network:
        yield network


@pytest.fixture(scope="session")
def plane(network, tmp_path_factory):
    """An API server that has Layby's definitions as the files have them, and nothing else."""
    children = Children(tmp_path_factory.mktemp("plane"), network)
    try:
        with network.entered():
            plane = ControlPlane(children)
            plane.start()
            for file in FILES.iterdir():
                text = file.read_bytes()
                plane.api.request("POST", DEFINITIONS, text, YAML, fieldValidation="Strict")
            assert until(lambda: _are_served(plane.api), within=10)
        yield plane
    finally:
        children.close()


@pytest.fixture
def api(network, plane):
    """The API server; the test is in its network."""
    with network.entered():
        yield plane.api


@pytest.fixture
def definitions(api):
    """Layby's definitions as the API server has them."""
    return _definitions(api)


@pytest.fixture
def kubectl(network, plane):
    """Run kubectl; return what it prints."""

    def run(*arguments, stdin=""):
        command = [locate("kubectl"), f"--kubeconfig={plane.kubeconfig}", *arguments]
        with network.entered():
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _definitions(api):
    items = api.request("GET", DEFINITIONS)["items"]
    return [item for item in items if item["spec"]["group"] == "layby.dev"]


def _are_served(api):
    if not all(map(_is_established, _definitions(api))):
        return False
    groups = api.request("GET", "/apis")["groups"]
    return any(group["name"] == "layby.dev" for group in groups)


def _is_established(definition):
    # Null, not absent, until somebody has had a look.
    conditions = definition["status"]["conditions"] or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
