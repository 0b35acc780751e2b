"""What a real API server makes of what the chart renders."""

import pytest

from e2e.stack.api import APPLY
from tests.deploy.charts import CASES, pods

pytestmark = pytest.mark.kube


@pytest.mark.parametrize("values", CASES)
def test_every_object_is_accepted_to_the_letter(api, render, values):
    """A field that is misspelt is dropped in silence, unless one asks."""
    for document in render(values):
        if document["apiVersion"].startswith("monitoring.coreos.com"):
            continue  # nobody has defined Prometheus' kinds here
        api.request(
            *("PATCH", api.path(document), document, APPLY),
            fieldManager="test",
            fieldValidation="Strict",
            dryRun="All",
        )


@pytest.mark.parametrize("values", CASES)
def test_pods_are_let_in_where_security_is_restricted(api, render, values):
    """Of a Deployment's pods this is said when they are made, too late for whoever installs it."""
    for name, template in pods(render(values)).items():
        metadata = {"name": name, "namespace": "layby-system", "labels": {}}
        for elsewhere in ("serviceAccountName", "priorityClassName"):
            template["spec"].pop(elsewhere, None)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        for constraint in pod["spec"].get("topologySpreadConstraints", ()):
            constraint.pop("matchLabelKeys")  # a Deployment's pods have that label
        api.request("POST", api.path(pod, collection=True), pod, dryRun="All")
