import json
from itertools import product

import pytest

from controller.adoption import adopt, release
from controller.indexes import memory_of
from controller.scaled_object import is_ours
from tests.controller.objects import CRON, SCALER, read_hold, scaled_object
from tests.controller.plans import merged

SET = {
    "idle": {"after": "60s"},
    "scaling": {
        "minReplicas": 1,
        "maxReplicas": 9,
        "pollingInterval": "10s",
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        "fallback": {"failureThreshold": 3, "replicas": 2},
    },
}
THEIRS = {
    "cooldownPeriod": 120,
    "maxReplicaCount": 5,
    "pollingInterval": 15,
    "advanced": {
        "restoreToOriginalReplicaCount": True,
        "horizontalPodAutoscalerConfig": {
            "name": "mine",
            "behavior": {"scaleUp": {"stabilizationWindowSeconds": 1}},
        },
    },
}
BARE = read_hold()
FULL = read_hold(spec=SET)


def adopted(item, hold=FULL):
    patch = adopt(item, hold, SCALER)
    return merged(item, patch) if patch else item


def released(item):
    patch = release(item)
    return merged(item, patch) if patch else item


def spec_of(item, *path):
    value = item["spec"]
    for name in path:
        value = value.get(name)
    return value


def test_a_trigger_is_added_and_all_else_is_kept():
    """Nobody who has written a ScaledObject wants to find it changed in ways not asked for."""
    before = scaled_object(spec=THEIRS)
    after = adopted(before, BARE)
    theirs, ours = spec_of(after, "triggers")
    assert CRON == theirs
    assert is_ours(ours)
    assert THEIRS == {name: spec_of(after, name) for name in THEIRS}


@pytest.mark.parametrize(("spec", "seconds"), [(THEIRS, "15"), ({}, "30")])
def test_the_trigger_says_how_often_keda_really_asks(spec, seconds):
    """By it the hold servers decide for how long a request counts."""
    ours = spec_of(adopted(scaled_object(spec=spec), BARE), "triggers")[-1]
    assert seconds == ours["metadata"]["pollingInterval"]


def test_what_a_traffic_hold_does_not_leave_at_its_default_is_set():
    """Within a section that has other fields too."""
    after = adopted(scaled_object(spec=THEIRS))
    assert {"stabilizationWindowSeconds": 60} == spec_of(
        after, "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown"
    )
    assert "mine" == spec_of(after, "advanced", "horizontalPodAutoscalerConfig", "name")
    assert [60, 1, 9, 10] == [
        spec_of(after, name)
        for name in ("cooldownPeriod", "minReplicaCount", "maxReplicaCount", "pollingInterval")
    ]
    assert {"failureThreshold": 3, "replicas": 2} == spec_of(after, "fallback")
    assert "10" == spec_of(after, "triggers")[-1]["metadata"]["pollingInterval"]


@pytest.mark.parametrize(("theirs", "hold"), [*product([{}, THEIRS], [BARE, FULL])])
def test_it_is_put_back_as_it_was(theirs, hold):
    """To the letter, and with no trace."""
    before = scaled_object(spec=theirs)
    after = released(adopted(before, hold))
    assert before["spec"] == after["spec"]
    assert {} == after["metadata"]["annotations"]
    assert release(after) is None


@pytest.mark.parametrize("hold", [BARE, FULL])
def test_twice_is_once(hold):
    """Steady state writes nothing, whatever the API server adds."""
    after = adopted(scaled_object(spec=THEIRS), hold)
    assert adopt(after, hold, SCALER) is None
    if hold is FULL:
        filled = merged(after, {"spec": {"fallback": {"behavior": "static"}}})
        assert adopt(filled, hold, SCALER) is None


def test_a_patch_is_for_this_very_version():
    """Whoever has changed it meanwhile is not overruled."""
    patch = adopt(scaled_object(resourceVersion="7"), BARE, SCALER)
    assert patch
    assert ("uid-of-cart", "7") == (patch["metadata"]["uid"], patch["metadata"]["resourceVersion"])


def test_a_manifest_that_is_applied_again_is_what_is_put_back():
    """Its owner has a new mind, and the TrafficHold still has its own."""
    once = adopted(scaled_object(spec=THEIRS))
    again = merged(once, {"spec": {"cooldownPeriod": 77, "maxReplicaCount": None}})
    after = adopted(again)
    assert (60, 9) == (spec_of(after, "cooldownPeriod"), spec_of(after, "maxReplicaCount"))
    back = released(after)
    assert (77, None) == (spec_of(back, "cooldownPeriod"), spec_of(back, "maxReplicaCount"))
    assert 15 == spec_of(back, "pollingInterval")


def test_a_trigger_that_was_taken_away_comes_back():
    """GitOps applies what it knows."""
    once = adopted(scaled_object(), BARE)
    after = adopted(merged(once, {"spec": {"triggers": [CRON]}}), BARE)
    assert [CRON["type"], "external-push"] == [each["type"] for each in spec_of(after, "triggers")]


def test_a_trigger_keeps_its_place():
    """KEDA's metrics are called by the places of their triggers."""
    once = adopted(scaled_object(), BARE)
    ours = spec_of(once, "triggers")[-1]
    shuffled = merged(once, {"spec": {"triggers": [{**ours, "metricType": "Value"}, CRON, ours]}})
    assert [ours, CRON] == spec_of(adopted(shuffled, BARE), "triggers")


def test_what_a_traffic_hold_sets_no_more_is_put_back_at_once():
    """Field by field, and what has become of it meanwhile is kept."""
    once = merged(adopted(scaled_object(spec=THEIRS)), {"spec": {"maxReplicaCount": 7}})
    after = adopted(once, BARE)
    assert (120, 7) == (spec_of(after, "cooldownPeriod"), spec_of(after, "maxReplicaCount"))
    assert THEIRS["advanced"] == spec_of(after, "advanced")
    assert {} == memory_of(after)["set"]


def test_another_value_of_the_traffic_hold_is_not_taken_for_the_user_s():
    """What is noted stays what it said before anybody touched it."""
    once = adopted(scaled_object(spec=THEIRS))
    other = read_hold(spec={**SET, "idle": {"after": "90s"}})
    after = adopted(once, other)
    assert 90 == spec_of(after, "cooldownPeriod")
    assert 120 == memory_of(after)["was"]["cooldownPeriod"]


def test_what_is_shorter_now_is_shortened():
    """That all of it is there is not enough: some of it has to go."""
    both: dict[str, object] = {"behavior": {"scaleUp": {}, "scaleDown": {}}}
    once = adopted(scaled_object(), read_hold(spec={"scaling": both}))
    less = read_hold(spec={"scaling": {"behavior": {"scaleUp": {}}}})
    after = adopted(once, less)
    assert {"scaleUp": {}} == spec_of(
        after, "advanced", "horizontalPodAutoscalerConfig", "behavior"
    )


def test_it_says_for_whom_it_was_changed():
    """Whoever finds it has to know where to look."""
    note = json.loads(
        adopted(scaled_object(), BARE)["metadata"]["annotations"]["layby.dev/adopted"]
    )
    assert {"trafficHold": "cart", "uid": "uid-of-cart", "was": {}, "set": {}} == note


def test_a_note_that_cannot_be_read_does_not_stay():
    """It is no use to anybody."""
    broken = scaled_object(annotations={"layby.dev/adopted": "{"})
    assert {} == released(broken)["metadata"]["annotations"]
