"""Proxies of an Istio that is too old for the gate, beside those that are not."""

import json

import pytest

from e2e import layby
from e2e.stack.processes import until
from e2e.workloads import manifests

WITHIN = 30.0
TOO_OLD = "1.28.3"


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def old(stack):
    """A gateway that says it is of an old Istio."""
    gateway = stack.add_gateway("old", {"istio": "old"}, TOO_OLD)
    gateway.child.wait()
    yield gateway
    stack.remove(gateway)


def test_an_old_proxy_is_left_as_it_is_and_told_of(stack, apply, host, service, old):
    """It would reject the gate and the listener with it, and keep none if it started anew."""
    apply(
        manifests.deployment("web", replicas=1),
        manifests.service("web"),
        manifests.gateway("web", [host], {"istio": "old"}, old.address),
        manifests.route("web", host, service, "web"),
        {
            "apiVersion": "layby.dev/v1alpha1",
            "kind": "TrafficHold",
            "metadata": {"name": "web"},
            "spec": {"targetRef": {"name": "web"}},
        },
    )
    namespace = service.split(".")[1]

    def attached():
        item = stack.api.get("layby.dev/v1alpha1", "TrafficHold", "web", namespace)
        conditions = item.get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == "Attached"), {})

    # A proxy that came after a controller's last look is seen a minute later; a new one looks now.
    layby.renew(stack.api, "layby-controller")
    assert until(lambda: attached().get("reason") == "ProxyTooOld", WITHIN), attached()
    assert "before 1.29" in attached()["message"]
    assert "old.istio-system" in attached()["message"]
    assert until(lambda: old.get(host).status == 200, WITHIN)
    assert "layby.hold.1" not in json.dumps(old.config())
    assert until(lambda: "layby.hold.1" in json.dumps(stack.caller.config()), WITHIN)
