import json

import pytest

pytestmark = pytest.mark.kube

HOLD = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"name": "shown"},
    "spec": {"targetRef": {"name": "cart"}},
}
STATUS = {
    "phase": "Waking",
    "pending": 7,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ],
    "lastWake": {"at": "2020-01-02T03:04:05Z", "duration": "2s250ms", "outcome": "Succeeded"},
}
POLICY = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "HoldPolicy",
    "metadata": {"name": "shown"},
    "spec": {"namespaceSelector": {}, "selector": {}, "priority": 5},
}


@pytest.fixture
def shown(api, kubectl):
    """A hold and a policy, as kubectl has made them."""
    kubectl("create", "-f", "-", stdin=json.dumps(HOLD))
    kubectl("create", "-f", "-", stdin=json.dumps(POLICY))
    api.patch(HOLD, {"status": STATUS}, subresource="status")
    api.patch(POLICY, {"status": {"matched": 3}}, subresource="status")
    yield
    api.delete([HOLD, POLICY])


def lines(text):
    """Split a table at two spaces or more."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()
    ]


@pytest.mark.usefixtures("shown")
def test_get_shows_what_matters(kubectl):
    """The short name and the columns are what people type and read daily."""
    head, row = lines(kubectl("get", "th"))
    assert ["NAME", "PHASE", "READY", "TARGET", "PENDING", "LAST WAKE", "AGE"] == head
    assert ["shown", "Waking", "True", "cart", "7"] == row[:5]
    assert row[5].endswith("d")
    head, row = lines(kubectl("get", "hp"))
    assert ["NAME", "READY", "MATCHED", "PRIORITY", "DRY RUN", "AGE"] == head
    assert ["shown", "3", "5", "false"] == row[:4]


@pytest.mark.usefixtures("shown")
def test_get_wide_shows_the_rest(kubectl):
    """For the person who wonders why."""
    head, row = lines(kubectl("get", "th", "-o", "wide"))
    assert "NAME PHASE READY TARGET KIND PENDING LAST WAKE TOOK DRY RUN REASON AGE" == " ".join(
        head
    )
    assert ["Deployment", "2s250ms", "Ready"] == [row[4], row[7], row[9]]


@pytest.mark.usefixtures("shown")
def test_the_category_shows_both_kinds(kubectl):
    """`kubectl get layby` is all that Layby has to say."""
    printed = kubectl("get", "layby")
    assert "traffichold.layby.dev/shown" in printed
    assert "holdpolicy.layby.dev/shown" in printed


def test_explain_explains_a_field(kubectl):
    """It is the documentation at hand, with the default in it."""
    printed = " ".join(kubectl("explain", "traffichold.spec.hold.timeout", "--recursive").split())
    assert (
        "FIELD: timeout <string> DESCRIPTION: The longest that one request waits; after that it is "
        "answered 504. Make it longer than the workload takes to start."
    ) in printed


def test_explain_shows_every_field_with_its_type(kubectl):
    """An <Object> where one writes a number would be a riddle."""
    printed = kubectl("explain", "traffichold.spec", "--recursive")
    types = dict(line.split()[:2] for line in printed.splitlines() if line.endswith(">"))
    assert {"perSecond": "<integer>", "timeout": "<string>", "probes": "<[]Object>"}.items() <= (
        types.items()
    )
    assert {"hold", "fallback", "wake", "idle", "scaling", "target", "behavior", "release"} == {
        name for name, kind in types.items() if kind == "<Object>"
    }
