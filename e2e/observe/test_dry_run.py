"""spec.dryRun in a mesh: nothing is held or scaled, and it is known what would have been."""

import subprocess

import pytest

from e2e import layby
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import reason

WITHIN = 40.0


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def rehearsed(stack, apply, namespace, host):
    """Deploy `web` with one replica, or so many, and a TrafficHold that only reports."""

    def deploy(replicas=1):
        apply(
            [
                manifests.deployment("web", replicas=replicas),
                manifests.service("web"),
                manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route("web", host, f"web.{namespace}.svc.cluster.local", "web"),
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "metadata": {"name": "web"},
                    "spec": {
                        "targetRef": {"name": "web"},
                        "idle": {"after": "2s"},
                        "dryRun": True,
                    },
                },
            ]
        )
        assert until(lambda: "DryRun" == reason(stack.api, namespace), WITHIN)

    return deploy


def told(stack, namespace):
    """Return what the status says would have been."""
    hold = stack.api.get("layby.dev/v1alpha1", "TrafficHold", "web", namespace)
    return hold.get("status", {}).get("dryRun", {})


def test_what_would_have_slept_is_told_and_never_scaled(stack, rehearsed, namespace, host):
    """Whoever tries it first must lose nothing by it."""
    rehearsed()
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    before = stack.api.get("apps/v1", "Deployment", "web", namespace)["metadata"]["generation"]
    assert until(lambda: told(stack, namespace).get("asleep"), WITHIN), told(stack, namespace)
    asked = told(stack, namespace)["requests"]
    reply = stack.gateway.get(host)
    assert 200 == reply.status
    assert reply.seconds < 1
    # It would have waited for the start, which is taken to last five seconds.
    assert until(lambda: told(stack, namespace)["requests"] > asked, WITHIN)
    assert until(lambda: told(stack, namespace)["sleeps"] >= 2, WITHIN), told(stack, namespace)
    after = stack.api.get("apps/v1", "Deployment", "web", namespace)
    assert (1, before) == (after["spec"]["replicas"], after["metadata"]["generation"])
    said = subprocess.run(
        [*layby.COMMAND, "explain", "web", "-n", namespace, "--kubeconfig", stack.kubeconfig],
        cwd=layby.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "would have slept" in said.stdout, said
    assert 0 == said.returncode


def test_what_is_at_zero_answers_as_without_layby(stack, rehearsed, namespace, host):
    """The gate is there for all, but this workload's requests do not wait in it."""
    rehearsed(replicas=0)
    assert until(lambda: 503 == stack.gateway.get(host, patience=5).status, WITHIN)
    reply = stack.gateway.get(host, patience=5)
    assert (503, None) == (reply.status, reply.headers.get("x-layby-reason"))
    assert 0 == stack.api.get("apps/v1", "Deployment", "web", namespace)["spec"]["replicas"]
