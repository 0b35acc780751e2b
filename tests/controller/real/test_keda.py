"""ScaledObjects on a real API server, under KEDA's own definition and the controller's own role."""

import asyncio
from typing import Any

import pytest

from controller.indexes import memory_of
from e2e.stack.api import ApiError
from e2e.stack.processes import until
from kube.resource import Key
from tests.controller.real.keda import FakeKeda, definition
from tests.controller.real.test_hold import CART, HOLD, Shop, eventually

pytestmark = pytest.mark.kube

SOON = 10.0
FULL = """
apiVersion: layby.dev/v1alpha1
kind: TrafficHold
metadata: {name: cart}
spec:
  targetRef: {name: cart}
  idle: {after: 1s}
  scaling:
    maxReplicas: 7
    pollingInterval: 10s
    behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
    fallback: {failureThreshold: 3, replicas: 2}
"""
THEIRS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: theirs}
spec:
  scaleTargetRef: {name: cart}
  cooldownPeriod: 120
  triggers:
  - type: cron
    metadata: {timezone: UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "2"}
"""


@pytest.fixture
def place(api, shop):
    api.apply(CART, shop)
    place = Shop(api, shop)
    yield place
    if found := place.hold():
        # There may be nobody left who would take it away.
        api.patch(found, {"metadata": {"finalizers": []}})
        api.delete(found)


@pytest.fixture
def keda(api, shop):
    """KEDA, once it is installed."""
    keda = FakeKeda(api, shop)
    yield keda
    for item in keda.all() or ():
        api.patch(item, {"metadata": {"finalizers": []}})
    api.delete(definition())
    assert until(lambda: not api.exists(definition()), within=20)


@pytest.fixture
def installed(api, keda):
    """KEDA, installed."""
    api.apply(definition())
    assert until(lambda: keda.all() == [], within=20)
    return keda


def message(place, kind="ScalerReady"):
    conditions = (place.hold() or {}).get("status", {}).get("conditions", ())
    return next((c["message"] for c in conditions if c["type"] == kind), "")


async def is_quiet(running, seconds=3.0):
    await asyncio.sleep(1)
    before = running.writes
    await asyncio.sleep(seconds)
    assert before == running.writes, "steady state writes nothing"


async def test_keda_may_come_and_go_while_the_controller_runs(running, place, api, keda):
    """Within ten seconds either way."""
    api.apply(HOLD, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: place.reason("ScalerReady") == "Direct")
    api.apply(definition())
    await eventually(lambda: keda.find() is not None, within=SOON)
    await eventually(lambda: place.reason("ScalerReady") == "ScaledObjectPending")
    keda.looks()
    await eventually(lambda: place.reason("ScalerReady") == "KEDA")
    keda.api.patch(keda.find(), {"metadata": {"finalizers": []}})
    api.delete(definition())
    await eventually(lambda: place.reason("ScalerReady") == "Direct", within=SOON)
    running.say(Key(place.namespace, "cart"), quiet=3600.0)
    await eventually(lambda: place.replicas() == 0)


async def test_ours_is_as_keda_s_definition_has_it_and_settles(running, place, api, installed):
    """With all that the API server and KEDA add to it, and KEDA's polls."""
    api.apply(FULL, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: installed.find() is not None)
    spec = installed.find()["spec"]
    assert [0, 7, 10, 1, 1] == [
        spec[name]
        for name in (
            *("minReplicaCount", "maxReplicaCount", "pollingInterval"),
            *("cooldownPeriod", "initialCooldownPeriod"),
        )
    ]
    (trigger,) = spec["triggers"]
    assert "external-push" == trigger["type"]
    assert {"trafficHold": "cart", "pollingInterval": "10", "concurrency": "100"}.items() <= (
        trigger["metadata"].items()
    )
    installed.looks()
    await eventually(lambda: place.reason("Ready") == "Ready")
    await is_quiet(running)
    before = running.writes
    for second in range(5):
        installed.polls(at=f"2026-01-01T00:00:0{second}Z")
    await is_quiet(running, 1.0)
    assert before == running.writes
    api.patch(installed.find(), {"spec": {"minReplicaCount": 3}})
    await eventually(lambda: installed.find()["spec"]["minReplicaCount"] == 0)
    installed.looks(ready="False", message="scaler unreachable")
    await eventually(lambda: "scaler unreachable" in message(place))
    running.say(Key(place.namespace, "cart"), quiet=3600.0)
    await is_quiet(running, 2.0)
    assert 1 == place.replicas()


@pytest.mark.usefixtures("running")
async def test_ours_goes_first_and_the_workload_is_woken(place, api, installed):
    """Then the TrafficHold goes, when KEDA has let go and there is somewhere to go."""
    api.apply(HOLD, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: installed.find() is not None)
    installed.looks()
    await eventually(lambda: place.reason("ScalerReady") == "KEDA")
    api.scale("cart", 0, place.namespace)
    place.is_ready(ready=False)
    await eventually(lambda: place.phase() == "Zero")
    api.delete(HOLD, place.namespace)
    await eventually(lambda: place.replicas() == 1)
    await eventually(lambda: "deletionTimestamp" in installed.find()["metadata"])
    place.is_ready(ready=True)
    installed.lets_go()
    await eventually(lambda: place.hold() is None)


async def test_a_user_s_is_adopted_and_given_back(running, place, api, installed):
    """To the letter, also after its manifest was applied again."""
    (made,) = api.apply(THEIRS, place.namespace)
    installed.looks("theirs")
    api.apply(FULL, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: place.reason("ScalerReady") == "KEDAAdopted")
    found = installed.find("theirs")
    assert ["cron", "external-push"] == [each["type"] for each in found["spec"]["triggers"]]
    assert (1, 7) == (found["spec"]["cooldownPeriod"], found["spec"]["maxReplicaCount"])
    assert 120 == memory_of(found)["was"]["cooldownPeriod"]
    assert installed.find() is None
    await is_quiet(running)
    again: Any = THEIRS.replace("120", "130")
    api.apply(again, place.namespace)
    await eventually(lambda: memory_of(installed.find("theirs"))["was"]["cooldownPeriod"] == 130)
    await eventually(lambda: len(installed.find("theirs")["spec"]["triggers"]) == 2)
    api.patch(place.hold(), {"spec": {"scaling": {"mode": "Direct"}}})
    await eventually(lambda: memory_of(installed.find("theirs")) == {})
    assert {**made["spec"], "cooldownPeriod": 130} == installed.find("theirs")["spec"]
    await eventually(lambda: place.reason("ScalerReady") == "AutoscalerConflict")
    api.patch(place.hold(), {"spec": {"scaling": {"mode": "Auto"}}})
    await eventually(lambda: place.reason("ScalerReady") == "KEDAAdopted")
    api.delete(HOLD, place.namespace)
    await eventually(lambda: place.hold() is None)
    assert {**made["spec"], "cooldownPeriod": 130} == installed.find("theirs")["spec"]


BAD = "{scaleDown: {policies: [{type: Percent, value: 1, periodSeconds: soon}]}}"
UNKNOWN = "{scaleDown: {noSuchField: 1}}"


@pytest.mark.parametrize("theirs", [None, THEIRS], ids=["ours", "theirs"])
@pytest.mark.parametrize("behavior", [BAD, UNKNOWN], ids=["bad", "unknown"])
async def test_what_the_api_server_refuses_is_told(
    running, place, api, installed, theirs, behavior
):
    """In its words; and it is not asked again and again."""
    if theirs:
        api.apply(theirs, place.namespace)
    hold = FULL.replace("{scaleDown: {stabilizationWindowSeconds: 60}}", behavior)
    api.apply(hold, place.namespace)
    place.is_ready(ready=True)
    await eventually(lambda: place.reason("ScalerReady") == "ScaledObjectRejected")
    word = "periodSeconds" if behavior == BAD else "field"
    await eventually(lambda: word in message(place))
    await is_quiet(running)
    api.patch(place.hold(), {"spec": {"scaling": {"behavior": None}}})
    await eventually(lambda: place.reason("ScalerReady") != "ScaledObjectRejected")
    await eventually(lambda: "layby" in [each.get("name") for each in installed.triggers()])


def test_a_hold_on_a_scaled_job_is_refused(place, api):
    """By the definition, before there is anything to accept."""
    job = "{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, name: cart}"
    with pytest.raises(ApiError, match="has no requests to hold"):
        api.apply(HOLD.replace("{name: cart}\n  idle", f"{job}\n  idle"), place.namespace)
