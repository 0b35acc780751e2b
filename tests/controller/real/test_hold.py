"""One TrafficHold from its first day to its last, on a real API server and under the real role."""

import asyncio
import time
from typing import Any

import pytest
import yaml

from e2e.stack.api import ApiError, parse
from kube.resource import Key

pytestmark = pytest.mark.kube

CART = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, labels: {sleep: "yes"}}
spec:
  replicas: 1
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: cart}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart}
spec:
  selector: {app: cart}
  ports: [{name: http, port: 80}]
"""
HOLD = """
apiVersion: layby.dev/v1alpha1
kind: TrafficHold
metadata: {name: cart}
spec:
  targetRef: {name: cart}
  idle: {after: 1s}
"""
WITHIN = 15.0


async def eventually(condition, within=WITHIN):
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        await asyncio.sleep(0.05)


class Shop:
    """The namespace of the test, and what is in it."""

    def __init__(self, api, namespace) -> None:
        self.api = api
        self.namespace = namespace

    def find(self, version, kind, name):
        """Return an object, or nothing."""
        try:
            return self.api.get(version, kind, name, self.namespace)
        except ApiError:
            return None

    def hold(self, name="cart"):
        """Return a TrafficHold."""
        return self.find("layby.dev/v1alpha1", "TrafficHold", name)

    def reason(self, kind, name="cart"):
        """Return the reason of a condition."""
        status = (self.hold(name) or {}).get("status", {})
        return {c["type"]: c["reason"] for c in status.get("conditions", ())}.get(kind)

    def phase(self):
        """Return the phase of the TrafficHold."""
        return ((self.hold() or {}).get("status") or {}).get("phase")

    def replicas(self):
        """Return how many replicas are asked for."""
        return self.find("apps/v1", "Deployment", "cart")["spec"]["replicas"]

    def rule(self, name="layby-cart"):
        """Return a DestinationRule."""
        return self.find("networking.istio.io/v1", "DestinationRule", name)

    def is_ready(self, *, ready):
        """Have an endpoint that is ready or not, as no kubelet says here."""
        item = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "cart"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.77"], "conditions": {"ready": ready}}],
            "ports": [{"name": "http", "port": 80}],
        }
        self.api.apply(item, self.namespace)

    def events(self):
        """Return what was told of it."""
        items = self.api.items("events.k8s.io/v1", "Event", self.namespace)
        return sorted(each["reason"] for each in items if "layby" in each["reportingController"])


@pytest.fixture
def place(api, shop):
    api.apply(CART, shop)
    return Shop(api, shop)


async def test_a_traffic_hold_lives_sleeps_wakes_and_goes(running, place, api):
    """All of it, with what the API server makes of each write: defaults, owners, finalizers."""
    key = Key(place.namespace, "cart")
    api.apply(HOLD, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: place.phase() == "Warm")
    assert "Ready" == place.reason("Ready")
    assert 1 == place.rule()["spec"]["trafficPolicy"]["outlierDetection"]["minHealthPercent"]
    gate = api.get("networking.istio.io/v1alpha3", "EnvoyFilter", "layby", "istio-system")
    assert "layby" == gate["metadata"]["labels"]["layby.dev/managed-by"]

    await asyncio.sleep(1)
    before = running.writes
    await asyncio.sleep(3)
    assert before == running.writes, "steady state writes nothing"

    running.say(key, quiet=3600.0)
    await eventually(lambda: place.replicas() == 0)
    await eventually(lambda: place.phase() == "Zero")
    assert ["layby.dev/wake"] == place.hold()["metadata"]["finalizers"]

    place.is_ready(ready=False)
    api.delete(HOLD, place.namespace)
    await eventually(lambda: place.replicas() == 1)
    await eventually(lambda: place.reason("Ready") == "Terminating")
    place.is_ready(ready=True)
    await eventually(lambda: place.hold() is None)
    # The garbage collector looks for new kinds every half a minute, and this one is new.
    await eventually(lambda: place.rule() is None, within=60.0)
    assert {"Slept", "Waking"} <= set(place.events())


@pytest.mark.usefixtures("running")
async def test_a_user_s_rule_is_made_room_for(place, api):
    """And is what it was afterwards, to the letter."""
    api.apply(HOLD, place.namespace)
    await eventually(lambda: place.rule() is not None)
    theirs: dict[str, Any] = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "theirs"},
        "spec": {"host": "cart", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}},
    }
    (made,) = api.apply(theirs, place.namespace)
    await eventually(lambda: place.rule() is None)
    await eventually(lambda: place.reason("Attached") == "NotReadyCounted")
    conditions = place.hold()["status"]["conditions"]
    message = next(c["message"] for c in conditions if c["type"] == "Attached")
    added = yaml.safe_load(message.partition("theirs:\n")[2])
    assert (
        made["metadata"]["resourceVersion"] == place.rule("theirs")["metadata"]["resourceVersion"]
    )
    # What the user is told is valid, and is all that it takes.
    api.apply({**theirs, "spec": {**theirs["spec"], **added["spec"]}}, place.namespace)
    await eventually(lambda: place.reason("Attached") == "Unverified")


async def test_a_policy_makes_children_that_follow_the_labels(running, place, api):
    """Under the real schema, whose defaults must not look like changes."""
    (policy,) = parse(
        f"""
        apiVersion: layby.dev/v1alpha1
        kind: HoldPolicy
        metadata: {{name: {place.namespace}}}
        spec:
          namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {place.namespace}}}}}
          selector: {{matchLabels: {{sleep: "yes"}}}}
          template: {{spec: {{probes: [{{path: /healthz}}]}}}}
        """,
        None,
    )
    place.is_ready(ready=True)
    api.apply(policy)
    await eventually(lambda: place.hold() is not None)
    await eventually(lambda: place.reason("Accepted") == "Accepted")
    await asyncio.sleep(1)
    before = running.writes
    api.patch(parse(CART, place.namespace)[0], {"metadata": {"annotations": {"a": "b"}}})
    await asyncio.sleep(2)
    assert before == running.writes, "what is there is as it should be"
    api.patch(parse(CART, place.namespace)[0], {"metadata": {"labels": {"sleep": "no"}}})
    await eventually(lambda: place.hold() is None)
    found = api.get("layby.dev/v1alpha1", "HoldPolicy", place.namespace)
    await eventually(
        lambda: (
            api.get("layby.dev/v1alpha1", "HoldPolicy", place.namespace)["status"]["matched"] == 0
        )
    )
    assert found
    api.delete(policy)
