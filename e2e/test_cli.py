"""What a person asks a cluster with `layby`."""

import subprocess

import pytest

from e2e import layby
from e2e.stack.processes import until
from e2e.workloads import manifests

WITHIN = 20.0


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def ask(stack, namespace):
    """Run a subcommand against the stack; returns exit code and output."""

    def do(*words: str) -> tuple[int, str]:
        command = [*layby.COMMAND, *words, "-n", namespace, "--kubeconfig", str(stack.kubeconfig)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, cwd=layby.ROOT
        )
        return done.returncode, done.stdout + done.stderr

    return do


def hold(target: str) -> dict[str, object]:
    return {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "TrafficHold",
        "metadata": {"name": "web"},
        "spec": {"targetRef": {"name": target}},
    }


def test_a_hold_that_works_is_shown_explained_and_scaled_by_hand(ask, apply):
    """Operators do not read YAML at night."""
    apply([manifests.deployment("web", replicas=1), manifests.service("web"), hold("web")])
    assert until(lambda: ask("explain", "web")[0] == 0, WITHIN), ask("explain", "web")
    assert "Service web has" in ask("explain", "web")[1]
    assert until(lambda: "yes" in ask("status")[1], WITHIN), ask("status")
    assert (0, "Deployment web: 1 -> 0 replicas\n") == ask("sleep", "web")
    assert (0, "Deployment web has 0 replicas already\n") == ask("sleep", "web")
    assert (0, "Deployment web: 0 -> 1 replicas\n") == ask("wake", "web")


def test_the_first_broken_link_is_named_with_what_to_do(ask, apply):
    """A list of facts is no help if one has to know which of them is wrong."""
    apply([hold("nobody")])
    code, said = ask("explain", "web")
    assert code == 1
    assert "NO  there is no Deployment nobody\n    create it, or correct" in said


def test_a_hold_that_is_not_there_is_said_to_be_missing(ask):
    """With what to do instead."""
    code, said = ask("explain", "none")
    assert code == 1
    assert "there is no TrafficHold none" in said
    assert "layby status" in said
