"""A real API server with Istio's kinds, which makes nothing of what it is asked."""

import pytest

from e2e.stack import istiod
from e2e.stack.controlplane import ControlPlane
from e2e.stack.processes import Children, until
from tests.networks import own_network

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "pilot-discovery")


@pytest.fixture(scope="session")
def network():
    """A network of its own."""
    with own_network(PROGRAMS) as network:
        yield network


@pytest.fixture(scope="session")
def plane(network, tmp_path_factory):
    """The API server, with Istio's definitions and the namespaces of the tests' values."""
    children = Children(tmp_path_factory.mktemp("plane"), network)
    try:
        with network.entered():
            plane = ControlPlane(children)
            plane.start()
            istiod.install_crds(plane.api)
            for name in ("layby-system", "istio-system", "mesh", "shop"):
                # What the pods have to keep to is looked at, and said, when a Deployment is made.
                labels = {f"pod-security.kubernetes.io/{how}": "restricted" for how in HOW}
                metadata = {"name": name, "labels": labels}
                plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
            metadata = {"name": "default", "namespace": "layby-system"}
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            assert until(lambda: plane.api.exists(account), 10)
        yield plane
    finally:
        children.close()


HOW = ("enforce", "warn")


@pytest.fixture
def api(network, plane):
    """The API server; the test is in its network."""
    with network.entered():
        yield plane.api
