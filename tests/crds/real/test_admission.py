import re
from pathlib import Path

import pytest
import yaml

from crds.definition import DEFINITIONS
from crds.resource import Resource
from crds.v1alpha1 import HoldPolicy, TrafficHold
from e2e.stack.api import MERGE, ApiError

pytestmark = pytest.mark.kube

HERE = Path(__file__).parent
VERSION = "layby.dev/v1alpha1"
MODELS: dict[str, type[Resource]] = {"TrafficHold": TrafficHold, "HoldPolicy": HoldPolicy}
HOLDS = "/apis/layby.dev/v1alpha1/namespaces/default/trafficholds"
PATHS = {"TrafficHold": HOLDS, "HoldPolicy": "/apis/layby.dev/v1alpha1/holdpolicies"}
# What the API server adds to the message that matters.
NOISE = re.compile(
    r", <nil>: Invalid value: (null: some validation rules were not checked because the object was "
    r'invalid; correct the existing errors to complete validation|"": Checked value must be of '
    r"type integer \(default format\) in [\w.]+)"
)
KEPT = (
    "targetRef cannot be changed, but for the version in its apiVersion: delete this TrafficHold "
    "and create another; requests parked meanwhile are let go, not lost"
)


def table(name):
    rows = yaml.safe_load((HERE.parent / name).read_text())
    return [pytest.param(row, id=row["name"].replace(" ", "-")) for row in rows]


def create(api, row, **query):
    kind = row.get("kind", "TrafficHold")
    spec = {"spec": row["spec"]} if "spec" in row else {}
    metadata = row.get("metadata", {"name": "tried"})
    manifest = {"apiVersion": VERSION, "kind": kind, "metadata": metadata, **spec}
    return api.request("POST", PATHS[kind], manifest, fieldValidation="Strict", **query)


@pytest.fixture
def stored(api):
    """Store objects; remove them afterwards."""
    made = []

    def store(spec, name="cart"):
        made.append(create(api, {"spec": spec, "metadata": {"name": name}}))
        return made[-1]

    yield store
    api.delete(made)


def test_the_definitions_are_in_force(definitions):
    """A schema that is not structural is accepted all the same, and then does nothing."""
    expected = {"NamesAccepted": "True", "Established": "True"}
    assert {definition.name for definition in DEFINITIONS} == {
        definition["metadata"]["name"] for definition in definitions
    }
    for definition in definitions:
        conditions = definition["status"]["conditions"]
        assert expected == {condition["type"]: condition["status"] for condition in conditions}


@pytest.mark.parametrize("row", table("good.yaml"))
def test_what_is_right_is_accepted(api, row):
    """With every default filled in, and read in Python as the API server hands it out."""
    created = create(api, row, dryRun="All")
    model = MODELS[created["kind"]]
    as_written = model.parse({"metadata": {}, "spec": row["spec"]}).to_dict()
    assert as_written["spec"] == model.parse(created).to_dict()["spec"]


@pytest.mark.parametrize("row", table("bad.yaml"))
def test_what_is_wrong_is_refused(api, row):
    """One message, at the field, in words that say what to write instead."""
    with pytest.raises(ApiError) as caught:
        create(api, row, dryRun="All")
    if row["says"] == "unknown field":
        assert caught.value.message.endswith(f'strict decoding error: unknown field "{row["at"]}"')
        return
    complaint = NOISE.sub("", caught.value.message.partition(" is invalid: ")[2]).strip("[]")
    assert complaint.startswith(f"{row['at'] or '<nil>'}: ")
    assert complaint.endswith(row["says"])
    assert complaint.count("Invalid value") <= max(1, row["says"].count("list-type") * 2)


def test_the_smallest_hold_shows_all_its_defaults(stored):
    """Whoever reads the object sees what is in force, without a manual."""
    assert {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
        "hold": {"timeout": "1m", "maxPending": 1000},
        "wake": {"replicas": 1},
        "idle": {"after": "5m"},
        "scaling": {
            "mode": "Auto",
            "minReplicas": 0,
            "maxReplicas": 100,
            "target": {"concurrency": 100},
        },
        "dryRun": False,
    } == stored({"targetRef": {"name": "cart"}})["spec"]


def test_a_section_given_in_part_is_completed(stored):
    """To set one field must not unset its neighbours."""
    spec = {
        "targetRef": {"name": "cart"},
        "hold": {"maxPending": 5},
        "scaling": {"target": {"requestsPerSecond": 20}},
        "probes": [{"path": "/healthz"}],
    }
    written = stored(spec)["spec"]
    assert {"timeout": "1m", "maxPending": 5} == written["hold"]
    assert {"requestsPerSecond": 20} == written["scaling"]["target"]
    assert [{"path": "/healthz", "status": 200}] == written["probes"]


def test_an_explicit_null_is_a_default(stored):
    """Charts write null where a value is not set."""
    spec = {"targetRef": {"name": "cart"}, "hold": None, "idle": {"after": None}, "services": None}
    written = TrafficHold.parse(stored(spec)).spec
    assert (60.0, 300.0, None) == (written.hold.timeout, written.idle.after, written.services)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "checkout"},
        {"kind": "StatefulSet"},
        {"apiVersion": "example.com/v1"},
        {"apiVersion": "v1", "kind": "ReplicationController"},
    ],
)
def test_the_target_is_kept(api, stored, change):
    """Another workload is another hold; what was made for the first one must be given back."""
    hold = stored({"targetRef": {"name": "cart"}})
    with pytest.raises(ApiError) as caught:
        api.patch(hold, {"spec": {"targetRef": change}}, MERGE)
    assert KEPT in caught.value.message


def test_the_version_of_the_target_may_change(api, stored):
    """The workload is the same one when its kind gets a new version."""
    target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "cart"}
    hold = stored({"targetRef": target})
    api.patch(hold, {"spec": {"targetRef": {"apiVersion": "argoproj.io/v1"}}}, MERGE)
    api.patch(hold, {"spec": {"hold": {"timeout": "5s"}}}, MERGE)


def test_status_is_written_apart_from_the_spec(api, stored):
    """Who may report must not thereby be able to change, and the generation must not move."""
    hold = stored({"targetRef": {"name": "cart"}})
    status = {
        "observedGeneration": 1,
        "phase": "Zero",
        "pending": 3,
        "lastRequestTime": "2026-01-02T03:04:05Z",
        "lastWake": {"at": "2026-01-02T03:04:05Z", "duration": "2s250ms", "outcome": "Succeeded"},
        "services": [{"name": "cart"}],
    }
    ignored = {"spec": {"dryRun": True}}
    changed = api.patch(hold, {"status": status, **ignored}, MERGE, subresource="status")
    assert (status, 1, False) == (
        changed["status"],
        changed["metadata"]["generation"],
        changed["spec"]["dryRun"],
    )
    changed = api.patch(hold, {"status": {"phase": "Warm"}, **ignored}, MERGE)
    assert ("Zero", 2) == (changed["status"]["phase"], changed["metadata"]["generation"])
    last_wake = TrafficHold.parse(changed).status.last_wake
    assert last_wake is not None
    assert 2.25 == last_wake.duration


def test_a_status_that_is_wrong_is_refused(api, stored):
    """A phase that no dashboard knows is a bug of the controller."""
    hold = stored({"targetRef": {"name": "cart"}})
    with pytest.raises(ApiError, match=r"supported values: .*Warm.*Waking"):
        api.patch(hold, {"status": {"phase": "Dozing"}}, MERGE, subresource="status")


def test_conditions_of_two_writers_are_kept_side_by_side(api, stored):
    """They are merged by type: extproc and controller may each own some."""
    hold = stored({"targetRef": {"name": "cart"}})
    for manager, kind in (("layby-controller", "Ready"), ("audit", "Audited")):
        condition = {
            "type": kind,
            "status": "True",
            "reason": "Tried",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
        body = {
            "apiVersion": VERSION,
            "kind": "TrafficHold",
            "metadata": {"name": "cart"},
            "status": {"conditions": [condition]},
        }
        path = f"{api.path(hold)}/status"
        changed = api.request(
            "PATCH", path, body, "application/apply-patch+yaml", fieldManager=manager
        )
    assert ["Ready", "Audited"] == [each["type"] for each in changed["status"]["conditions"]]


def test_services_of_two_appliers_are_joined(api, stored):
    """The list is a map by name, so that a chart and a person may each add one."""
    hold = stored({"targetRef": {"name": "cart"}})
    for manager, service in (("chart", "cart"), ("person", "cart-admin")):
        body = {
            "apiVersion": VERSION,
            "kind": "TrafficHold",
            "metadata": {"name": "cart"},
            "spec": {"targetRef": {"name": "cart"}, "services": [{"name": service}]},
        }
        changed = api.request(
            "PATCH",
            api.path(hold),
            body,
            "application/apply-patch+yaml",
            fieldManager=manager,
            force="true",
        )
    assert [{"name": "cart"}, {"name": "cart-admin"}] == changed["spec"]["services"]


def test_holds_are_selected_by_phase_and_target(api, stored):
    """`kubectl get th --field-selector status.phase=Zero` is what an operator asks first."""
    hold = stored({"targetRef": {"name": "cart"}})
    stored({"targetRef": {"kind": "StatefulSet", "name": "db"}}, name="db")
    api.patch(hold, {"status": {"phase": "Zero"}}, MERGE, subresource="status")
    for selector, expected in (("status.phase=Zero", "cart"), ("spec.targetRef.name=db", "db")):
        found = api.request("GET", HOLDS, fieldSelector=selector)["items"]
        assert [expected] == [item["metadata"]["name"] for item in found]
