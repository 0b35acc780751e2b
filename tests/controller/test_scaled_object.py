import pytest

from controller.indexes import trim_scaled_object
from controller.scaled_object import ScaledObject, Scaler, Verdict, make, name_of
from tests.controller.objects import SCALER, read_hold, read_scaled_object, scaled_object

EVERYTHING = {
    "idle": {"after": "90.5s"},
    "scaling": {
        "minReplicas": 2,
        "maxReplicas": 20,
        "pollingInterval": "2.5s",
        "target": {"requestsPerSecond": 20},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        "fallback": {"failureThreshold": 3, "replicas": 4},
    },
}


def test_the_smallest_traffic_hold_makes_a_whole_scaled_object():
    """The trigger is what the hold servers read: each word of it is a promise to them."""
    made = make(read_hold(), SCALER, 0)
    assert {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
        "minReplicaCount": 0,
        "maxReplicaCount": 100,
        "pollingInterval": 5,
        "cooldownPeriod": 300,
        "initialCooldownPeriod": 300,
        "triggers": [
            {
                "type": "external-push",
                "name": "layby",
                "metricType": "AverageValue",
                "metadata": {
                    "scalerAddress": "layby-extproc.layby-system.svc.cluster.local:9091",
                    "trafficHold": "cart",
                    "pollingInterval": "5",
                    "concurrency": "100",
                },
            }
        ],
    } == made["spec"]
    assert ("layby-cart", "shop") == (made["metadata"]["name"], made["metadata"]["namespace"])
    assert ["uid-of-cart"] == [each["uid"] for each in made["metadata"]["ownerReferences"]]


def test_all_that_a_traffic_hold_says_of_scaling_is_passed_on():
    """Times in whole seconds, and none of them shorter than was asked for."""
    spec = make(read_hold(spec=EVERYTHING), Scaler("a:1", "layby-mtls"), 2)["spec"]
    assert (2, 20, 3, 91, 91) == tuple(
        spec[name]
        for name in (
            *("minReplicaCount", "maxReplicaCount", "pollingInterval"),
            *("cooldownPeriod", "initialCooldownPeriod"),
        )
    )
    assert {"failureThreshold": 3, "replicas": 4} == spec["fallback"]
    config = spec["advanced"]["horizontalPodAutoscalerConfig"]
    assert {"scaleDown": {"stabilizationWindowSeconds": 60}} == config["behavior"]
    (trigger,) = spec["triggers"]
    assert {
        "scalerAddress": "a:1",
        "trafficHold": "cart",
        "pollingInterval": "3",
        "requestsPerSecond": "20",
    } == trigger["metadata"]
    reference = {"kind": "ClusterTriggerAuthentication", "name": "layby-mtls"}
    assert reference == trigger["authenticationRef"]


@pytest.mark.parametrize(
    ("hold", "name"),
    [
        ("cart", "layby-cart"),
        ("x" * 48, "layby-" + "x" * 48),
        ("x" * 49, "layby-" + "x" * 39 + "-55bb9823"),
    ],
)
def test_a_name_leaves_room_for_the_autoscaler_s(hold, name):
    """KEDA puts keda-hpa- before it, and takes 63 characters in all."""
    assert name == name_of(hold)
    assert 63 >= len(f"keda-hpa-{name_of(hold)}")


def test_long_names_that_begin_alike_stay_apart():
    assert name_of("x" * 60) != name_of("x" * 61)
    assert "layby-" + "x" * 37 + "-52abff26" == name_of("x" * 37 + ".." + "x" * 60)


@pytest.mark.parametrize(
    ("annotations", "pause"),
    [
        ({}, ""),
        ({"autoscaling.keda.sh/paused": "true"}, "autoscaling.keda.sh/paused"),
        ({"autoscaling.keda.sh/paused": "yes"}, "autoscaling.keda.sh/paused"),
        ({"autoscaling.keda.sh/paused": "False"}, ""),
        ({"autoscaling.keda.sh/paused-replicas": "0"}, "autoscaling.keda.sh/paused-replicas"),
        ({"autoscaling.keda.sh/paused-scale-in": "1"}, "autoscaling.keda.sh/paused-scale-in"),
        ({"autoscaling.keda.sh/paused-scale-out": "t"}, "autoscaling.keda.sh/paused-scale-out"),
    ],
)
def test_a_pause_is_read_as_keda_reads_it(annotations, pause):
    """What Go cannot read as a truth value is one to KEDA."""
    assert pause == read_scaled_object(annotations=annotations).pause


@pytest.mark.parametrize(
    ("spec", "floor"),
    [
        ({}, 0),
        ({"minReplicaCount": 0}, 0),
        ({"minReplicaCount": 2}, 2),
        ({"minReplicaCount": 2, "idleReplicaCount": 0}, 0),
        ({"minReplicaCount": 2, "idleReplicaCount": 1}, 1),
    ],
)
def test_the_replicas_that_no_trigger_is_needed_for(spec, floor):
    """KEDA has two fields for that."""
    assert floor == read_scaled_object(spec=spec).floor


def test_what_keda_says_is_read():
    read = read_scaled_object(ready="False", active="True")
    assert (Verdict("False", "Ready is False"), True) == (read.ready, read.active)
    assert Verdict() == read_scaled_object(ready="").ready
    without = {key: value for key, value in scaled_object().items() if key != "status"}
    assert Verdict() == ScaledObject.read(without).ready


@pytest.mark.parametrize("note", ["{", "[]", '{"uid": null}'])
def test_a_note_that_cannot_be_read_is_nobody_s(note):
    """Somebody has edited it by hand."""
    assert "" == read_scaled_object(annotations={"layby.dev/adopted": note}).adopter


def test_nothing_that_matters_is_trimmed_away():
    """And what is left is told from what KEDA notes at each poll."""
    full = scaled_object(
        annotations={"autoscaling.keda.sh/paused": "true", "big": "x"},
        labels={"layby.dev/managed-by": "layby"},
        ownerReferences=[{"uid": "7", "name": "cart"}],
        deletionTimestamp="2026-01-01T00:00:00Z",
    )
    full["status"]["lastActiveTime"] = "2026-01-01T00:00:00Z"
    full["status"]["conditions"].append({"type": "Fallback", "status": "False"})
    trimmed = trim_scaled_object(full)
    read, small = ScaledObject.read(full), ScaledObject.read(trimmed)
    for name in ("key", "uid", "target", "managed", "owners", "ending", "ready", "active", "pause"):
        assert getattr(read, name) == getattr(small, name)
    assert full["spec"] == trimmed["spec"]
    assert ["conditions"] == list(trimmed["status"])
    assert "big" not in trimmed["metadata"]["annotations"]
