"""`layby leave`, by which the chart uninstalls, where no controller does its part."""

import os
import subprocess
import sys

import pytest
import yaml

from deploy.generate import HERE, copies
from e2e.stack.api import MERGE
from e2e.stack.processes import until

pytestmark = pytest.mark.kube

HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web", "namespace": "shop", "finalizers": ["layby.dev/wake"]},
    "spec": {"targetRef": {"name": "web"}},
}
POLICY = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "HoldPolicy",
    "metadata": {"name": "all"},
    "spec": {"namespaceSelector": {}, "selector": {}},
}


def gate(name):
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": {},
    }


@pytest.fixture
def leave(network, plane):
    """Run it as the hook's pod does; return how it ended."""

    def run(patience):
        command = [sys.executable, "-m", "cli.main", "leave", "--yes", f"--timeout={patience}"]
        path = {"KUBECONFIG": str(plane.kubeconfig), "PYTHONPATH": str(HERE.parent)}
        with network.entered():
            return subprocess.run(
                command, capture_output=True, text=True, env=os.environ | path, check=False
            )

    return run


@pytest.fixture
def held(api):
    """A TrafficHold that waits for its controller, a policy, and two EnvoyFilters."""
    api.apply([yaml.safe_load(text) for text in copies().values()])
    made = [HOLD, POLICY, gate("layby"), gate("theirs")]
    assert until(lambda: "layby.dev" in str(api.request("GET", "/apis")), 10)
    api.apply(made)
    return made


def test_nothing_is_left_in_a_state_that_holds_requests_for_nobody(api, held, leave):
    """What is not undone yet is said, and stops the uninstall; the second try ends it."""
    first = leave(1)
    assert 1 == first.returncode
    assert "shop/web: the controller has not looked at it; is it running?" in first.stderr
    assert [True, False, True, True] == [api.exists(each) for each in held]
    api.patch(HOLD, {"metadata": {"finalizers": None}}, MERGE)
    second = leave(30)
    assert not second.returncode, second.stderr
    assert [False, False, False, True] == [api.exists(each) for each in held]
    # And once more, as after a Job that was lost behind its last step.
    assert not leave(1).returncode


def test_what_was_never_used_is_left_at_once(leave):
    """There may be no TrafficHold, nor a gate, nor even the definitions."""
    assert not leave(1).returncode
