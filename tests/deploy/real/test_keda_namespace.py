"""What the chart says where KEDA is not where it looks for it."""

import pytest

from deploy.generate import CHART, NAMESPACE

pytestmark = pytest.mark.kube
KIND = "ClusterTriggerAuthentication"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{KIND.lower()}s.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Cluster",
        "names": {"kind": KIND, "plural": f"{KIND.lower()}s", "singular": KIND.lower()},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def kind(api):
    """KEDA's kind, served; it goes with the test."""
    api.create(DEFINITION)
    yield
    api.delete([DEFINITION])


@pytest.mark.usefixtures("kind")
def test_a_keda_that_is_elsewhere_is_to_be_named(helm, plane):
    """Its certificate has to be where its operator looks."""
    words = ("install", "layby", CHART, "--namespace", NAMESPACE, "--dry-run=server")
    there = ("--kubeconfig", plane.kubeconfig)
    done = helm(*words, *there)
    assert 'there is no namespace "keda"' in done.stderr
    assert "keda.namespace" in done.stderr
    done = helm(*words, *there, "--set", "keda.namespace=istio-system")
    assert not done.returncode, done.stderr
    assert f"kind: {KIND}" in done.stdout
