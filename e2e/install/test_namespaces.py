"""Layby in some namespaces of a cluster, by its chart: roles there, and not one ClusterRole."""

import subprocess
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deploy.generate import CHART
from e2e import layby
from e2e.install.charts import VALUES
from e2e.install.remains import everywhere, is_ours
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests

WITHIN = 30.0
HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "web"},
    "spec": {"targetRef": {"name": "web"}, "idle": {"after": "2s"}},
}
POLICY = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "HoldPolicy",
    "metadata": {"name": "all"},
    "spec": {"namespaceSelector": {}, "selector": {}},
}
RBAC = "rbac.authorization.k8s.io/v1"


class Place:
    """A namespace with a workload at zero, which a gateway leads to, and its TrafficHold."""

    def __init__(self, stack, namespace) -> None:
        self.stack = stack
        self.namespace = namespace
        self.host = f"web.{namespace}.example"
        self.cluster = f"outbound|80||web.{namespace}.svc.cluster.local"

    @property
    def manifests(self):
        """All of it."""
        name = f"web.{self.namespace}.svc.cluster.local"
        gateway = self.stack.gateway.address
        made = [
            manifests.deployment("web", "--delay", "1"),
            manifests.service("web"),
            manifests.gateway("web", [self.host], GATEWAY_LABELS, gateway),
            manifests.route("web", self.host, name, "web"),
            HOLD,
        ]
        return [
            {**each, "metadata": {**each["metadata"], "namespace": self.namespace}} for each in made
        ]

    def get(self, **how):
        """Ask it through the gateway."""
        return self.stack.gateway.get(self.host, **how)

    @property
    def hold(self):
        """Its TrafficHold."""
        return self.stack.api.get("layby.dev/v1alpha1", "TrafficHold", "web", self.namespace)

    def holds(self):
        """All TrafficHolds there."""
        return self.stack.api.items("layby.dev/v1alpha1", "TrafficHold", self.namespace)

    @property
    def status(self):
        """What the controller says of it."""
        return self.hold.get("status", {})

    @property
    def replicas(self):
        """How many it is to have."""
        found = self.stack.api.get("apps/v1", "Deployment", "web", self.namespace)
        return found["spec"]["replicas"]

    def sleeps(self):
        """Whether it is asleep, and the gateway knows."""
        return not self.replicas and not self.stack.gateway.endpoints(self.cluster)


@pytest.fixture
def watched(stack, namespace):
    """The namespace that Layby is told of."""
    return Place(stack, namespace)


@pytest.fixture
def other(stack):
    """One that it is not told of."""
    place = Place(stack, f"t-{uuid4().hex[:8]}")
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    stack.api.create(made)
    yield place
    stack.api.delete(made)


@pytest.fixture
def refused(stack):
    """The requests of an account of Layby's that were refused since the test began."""
    # As the API server writes it.
    begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def requests(account):
        events = stack.control_plane.audited(account, layby.NAMESPACE)
        mine = [each for each in events if each["requestReceivedTimestamp"] > begun]
        assert mine, f"{account} has asked for nothing"
        return [e["requestURI"] for e in mine if e.get("responseStatus", {}).get("code") == 403]

    return requests


def explained(stack, place):
    """What a person is told who asks why nothing is held."""
    words = ("explain", "web", "-n", place.namespace, "--kubeconfig", str(stack.kubeconfig))
    command = [*layby.COMMAND, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, cwd=layby.ROOT
    )
    return done.stdout


@pytest.mark.usefixtures("empty")
def test_some_namespaces_are_served_and_nothing_is_asked_for_elsewhere(
    stack, helm, apply, watched, other, refused
):
    """From the install to the uninstall, with what its roles allow and no more."""
    api, there = stack.api, ("--wait", "--timeout", "60s")
    values = {**VALUES, "watchNamespaces": [watched.namespace]}
    told = helm("install", "layby", CHART, "--create-namespace", *there, values=values)
    assert f"TrafficHolds are served in {watched.namespace} only" in told
    assert [] == [
        each["metadata"]["name"]
        for kind in ("ClusterRole", "ClusterRoleBinding")
        for each in everywhere(api, RBAC, kind)
        if is_ours(each)
    ]
    apply([POLICY, *watched.manifests, *other.manifests])

    assert until(lambda: watched.get(patience=10).status == 200, WITHIN), watched.status
    assert until(watched.sleeps, WITHIN), watched.status
    cold = watched.get(patience=10)
    assert (200, True) == (cold.status, cold.seconds > 1)

    assert 503 == other.get().status
    assert 0 == other.replicas
    assert {} == other.status
    said = explained(stack, other)
    assert "NO  no controller has looked at it" in said
    assert f"whether {other.namespace} is among them" in said
    assert not api.get("layby.dev/v1alpha1", "HoldPolicy", "all").get("status")

    assert until(watched.sleeps, WITHIN), watched.status
    assert [] == refused("layby-extproc")
    assert [] == refused("layby-controller")

    both = f"watchNamespaces={{{watched.namespace},{other.namespace}}}"
    helm("upgrade", "layby", CHART, "--reuse-values", "--set", both, *there)
    assert until(lambda: other.get(patience=10).status == 200, WITHIN), other.status
    api.delete([other.hold])
    assert until(lambda: not other.holds(), WITHIN), other.status
    one = f"watchNamespaces={{{watched.namespace}}}"
    helm("upgrade", "layby", CHART, "--reuse-values", "--set", one, *there)
    apply(other.manifests[-1])

    # What is woken would be idle again before it is seen to be up.
    api.patch(watched.hold, {"spec": {"idle": {"after": "1h"}}})
    helm("uninstall", "layby", *there)
    assert 1 == watched.replicas
    assert [] == watched.holds()
    assert 1 == len(other.holds())
    assert [] == refused("layby-uninstall")
