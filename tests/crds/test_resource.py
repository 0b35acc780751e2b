import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from crds.condition import Accepted, Ready, judge
from crds.resource import InvalidResourceError, Problem, Resource
from crds.v1alpha1 import HoldPolicy, TrafficHold
from crds.v1alpha1.behaviour import Hold, Scaling, Target
from crds.v1alpha1.holdpolicy import TemplateSpec
from crds.v1alpha1.traffichold import LastWake, Phase, TrafficHoldStatus, WakeOutcome

HERE = Path(__file__).parent
MODELS: dict[str, type[Resource]] = {"TrafficHold": TrafficHold, "HoldPolicy": HoldPolicy}
SMALLEST: dict[str, Any] = {"metadata": {"name": "cart"}, "spec": {"targetRef": {"name": "cart"}}}


def table(name):
    rows = yaml.safe_load((HERE / name).read_text())
    return [pytest.param(row, id=row["name"].replace(" ", "-")) for row in rows]


def read(row):
    kind = row.get("kind", "TrafficHold")
    head = {"apiVersion": "layby.dev/v1alpha1", "kind": kind}
    spec = {"spec": row["spec"]} if "spec" in row else {}
    metadata = row.get("metadata", {"name": "cart", "namespace": "shop"})
    return MODELS[kind].parse({**head, "metadata": metadata, **spec})


@pytest.mark.parametrize("row", table("good.yaml"))
def test_what_is_right_is_read(row):
    """Python and the API server must agree: else an object that is stored would stop a server."""
    resource = read(row)
    assert resource == type(resource).parse(resource.to_dict())


@pytest.mark.parametrize("row", table("bad.yaml"))
def test_what_is_wrong_is_named(row):
    """One message, at the field, in words that say what to write instead."""
    with pytest.raises(InvalidResourceError) as caught:
        read(row)
    expected = Problem(row.get("parse_at", row["at"]), row.get("parse", row["says"]))
    assert (expected,) == caught.value.problems


def test_all_problems_are_named_at_once():
    """Nobody wants to learn of them one by one."""
    spec = {"hold": {"timeout": "1d"}, "scaling": {"minReplicas": 9, "maxReplicas": 3}, "wait": 1}
    with pytest.raises(InvalidResourceError) as caught:
        TrafficHold.parse({"metadata": {"name": "cart", "namespace": "shop"}, "spec": spec})
    assert [
        "spec.hold.timeout",
        "spec.scaling.minReplicas",
        "spec.targetRef",
        "spec.wait",
    ] == sorted(problem.path for problem in caught.value.problems)
    assert "TrafficHold shop/cart: spec.targetRef: required" in str(caught.value).splitlines()


def test_two_rules_broken_in_one_place_are_both_named():
    """A rule between fields must not hide the next one."""
    fallback = {"redirect": "http://a", "body": "b", "contentType": "text/plain"}
    with pytest.raises(InvalidResourceError) as caught:
        TrafficHold.parse(
            {
                "spec": {
                    "targetRef": {"kind": "Rollout", "name": "x"},
                    "hold": {"fallback": fallback},
                }
            }
        )
    assert {"spec.targetRef.apiVersion", "spec.hold.fallback"} == {
        problem.path for problem in caught.value.problems
    }


def test_an_object_without_a_name_can_be_complained_of():
    """A file may lack all that would tell which object it is."""
    with pytest.raises(InvalidResourceError, match=r"^TrafficHold: spec: required$"):
        TrafficHold.parse({"metadata": {}})
    with pytest.raises(InvalidResourceError, match=r"^TrafficHold: metadata: must be an object$"):
        TrafficHold.parse({"metadata": "cart", "spec": SMALLEST["spec"]})


def test_another_kind_is_refused():
    """A policy read as a hold would be a hold of everything by default."""
    with pytest.raises(InvalidResourceError, match="kind: input should be 'TrafficHold'"):
        TrafficHold.parse({**SMALLEST, "kind": "HoldPolicy"})


def test_fields_of_a_later_version_are_ignored_on_request():
    """While a new version is rolled out, the old one reads objects of the new schema."""
    later = copy.deepcopy(SMALLEST)
    later["spec"]["hold"] = {"timeout": "5s", "patience": "endless"}
    later["status"] = {"mood": "good"}
    assert 5.0 == TrafficHold.parse(later, unknown="ignore").spec.hold.timeout
    with pytest.raises(InvalidResourceError, match=r"spec\.hold\.patience: unknown field"):
        TrafficHold.parse(later)


def test_what_an_api_server_adds_is_read():
    """Items of a list have no kind, and their metadata says much that is not for Layby."""
    metadata = {
        "name": "cart",
        "namespace": "shop",
        "uid": "6f6b",
        "generation": 3,
        "resourceVersion": "77",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "deletionTimestamp": "2026-01-02T03:04:06Z",
        "labels": {"layby.dev/policy": "all"},
        "managedFields": [{"manager": "kubectl"}],
    }
    hold = TrafficHold.parse({"metadata": metadata, "spec": SMALLEST["spec"]})
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == hold.metadata.creation_timestamp
    assert {"layby.dev/policy": "all"} == hold.metadata.labels


def test_a_time_that_yaml_has_read_as_one_is_read():
    """YAML takes an unquoted timestamp for a time, where JSON has a text."""
    document = yaml.safe_load(
        "{metadata: {creationTimestamp: 2026-01-02T03:04:05Z}, spec: {targetRef: {name: cart}}}"
    )
    moment = TrafficHold.parse(document).metadata.creation_timestamp
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == moment


def test_the_defaults_are_those_promised():
    """The numbers that documentation and dashboards repeat."""
    spec = TrafficHold.parse(SMALLEST).spec
    assert Hold(timeout=60.0, max_pending=1000, fallback=None) == spec.hold
    assert Scaling(min_replicas=0, max_replicas=100, target=Target(concurrency=100)) == spec.scaling
    assert (1, 300.0, None) == (spec.wake.replicas, spec.idle.after, spec.release.per_second)
    assert ("apps/v1", "Deployment") == (spec.target_ref.api_version, spec.target_ref.kind)
    assert (None, (), False) == (spec.services, spec.probes, spec.dry_run)


def test_a_policy_looks_at_deployments_and_statefulsets():
    """What serves requests in most clusters; anything else is to be asked for."""
    policy = HoldPolicy.parse({"spec": {"namespaceSelector": {}, "selector": {}}})
    assert ["Deployment", "StatefulSet"] == [kind.kind for kind in policy.spec.kinds]
    assert TemplateSpec() == policy.spec.template.spec


def test_a_template_becomes_the_spec_of_a_hold():
    """What a policy stamps out must be a TrafficHold that the API server accepts."""
    template = {"spec": {"idle": {"after": "1h"}, "scaling": {"mode": "Direct"}}}
    policy = HoldPolicy.parse(
        {"spec": {"namespaceSelector": {}, "selector": {}, "template": template}}
    )
    written = policy.to_dict()["spec"]["template"]["spec"]
    hold = TrafficHold.parse({"spec": {**written, "targetRef": {"name": "cart"}}})
    assert (3600.0, "Direct") == (hold.spec.idle.after, hold.spec.scaling.mode)


def test_it_is_written_as_it_is_sent():
    """Units as text, names in camelCase, and no identity that is not known."""
    now = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    status = TrafficHoldStatus(
        conditions=(judge(Ready.READY, now=now, generation=2),),
        phase=Phase.WARM,
        last_wake=LastWake(at=now, duration=2.25, outcome=WakeOutcome.SUCCEEDED),
    )
    document = TrafficHold.parse(SMALLEST).model_copy(update={"status": status}).to_dict()
    assert {"name": "cart"} == document["metadata"]
    assert "1m" == document["spec"]["hold"]["timeout"]
    assert {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "observedGeneration": 2,
            }
        ],
        "phase": "Warm",
        "lastWake": {"at": "2026-01-02T03:04:05Z", "duration": "2s250ms", "outcome": "Succeeded"},
    } == document["status"]
    assert status.conditions == TrafficHold.parse(document).status.conditions


def test_parts_are_frozen_and_strict_in_python_too():
    """A snapshot is swapped, never patched; and a wrong unit must not slip in from code."""
    hold = Hold(timeout=5.0)
    with pytest.raises(ValueError, match="frozen"):
        hold.timeout = 6.0
    with pytest.raises(ValueError, match="no longer than 59m"):
        Hold(timeout=3541.0)
    with pytest.raises(ValueError, match="valid number"):
        Hold.model_validate({"timeout": "5s"})


def test_a_reason_is_part_of_the_closed_set():
    """Conditions are made by reasons only, so that no two places spell one differently."""
    assert "TargetNotFound" == judge(Accepted.TARGET_NOT_FOUND, now=datetime.now(UTC)).reason
