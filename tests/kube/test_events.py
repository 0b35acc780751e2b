import asyncio
from typing import Any

import pytest

from kube.errors import KubeError
from kube.events import PENDING, Recorder
from kube.resource import EVENTS
from tests.kube.fake_api import CUT, FakeAnswer, status

pytestmark = pytest.mark.looptime

HOLD: dict[str, Any] = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "TrafficHold",
    "metadata": {"namespace": "shop", "name": "cart", "uid": "u1", "resourceVersion": "7"},
}
POLICY = {
    "apiVersion": "layby.dev/v1alpha1",
    "kind": "HoldPolicy",
    "metadata": {"name": "all", "uid": "u2"},
}


@pytest.fixture
async def recorder(api):
    """A recorder that writes."""
    recorder = Recorder(api.kube, "layby.dev/controller", "controller-0")
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    await asyncio.wait([task])


def written(api):
    return list(api.objects.values())


async def test_an_event_says_what_happened_to_what(api, recorder):
    """In the form of events.k8s.io, which `kubectl describe` shows."""
    recorder.tell(HOLD, "TargetMissing", "no Deployment cart", warning=True, action="Resolve")
    await asyncio.sleep(0.1)
    (event,) = written(api)
    name = event["metadata"]["name"]
    assert EVENTS.path("shop") == api.asked[0].path
    assert name.startswith("cart.")
    assert {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": "1"},
        "eventTime": event["eventTime"],
        "reportingController": "layby.dev/controller",
        "reportingInstance": "controller-0",
        "action": "Resolve",
        "reason": "TargetMissing",
        "regarding": {
            "apiVersion": "layby.dev/v1alpha1",
            "kind": "TrafficHold",
            "namespace": "shop",
            "name": "cart",
            "uid": "u1",
        },
        "note": "no Deployment cart",
        "type": "Warning",
    } == event


async def test_what_belongs_to_the_cluster_has_its_events_in_default(api, recorder):
    """They need a namespace, and that is where `kubectl describe` looks."""
    recorder.tell(POLICY, "Accepted", "12 holds")
    await asyncio.sleep(0.1)
    (event,) = written(api)
    assert "default" == event["metadata"]["namespace"]
    assert "namespace" not in event["regarding"]
    assert "Normal" == event["type"]


async def test_the_same_again_only_changes_the_number(api, recorder):
    """One line with a count, and not a page."""
    for _ in range(3):
        recorder.tell(HOLD, "Woke", "by a request")
        await asyncio.sleep(1)
    (event,) = written(api)
    assert 3 == event["series"]["count"]
    assert event["series"]["lastObservedTime"] >= event["eventTime"]
    assert ["create", "patch", "patch"] == api.verbs()


async def test_a_burst_is_one_write(api, recorder):
    """A thousand requests of a crowd tell the same."""
    for _ in range(1000):
        recorder.tell(HOLD, "Woke", "by a request")
    await asyncio.sleep(1)
    (event,) = written(api)
    assert 1000 == event["series"]["count"]
    assert 2 == len(api.asked)


async def test_an_event_that_is_gone_is_written_again(api, recorder):
    """It lives for an hour; the hold that it is about for years."""
    recorder.tell(HOLD, "Woke", "by a request")
    await asyncio.sleep(0.1)
    api.objects.clear()
    recorder.tell(HOLD, "Woke", "by a request")
    await asyncio.sleep(0.1)
    (event,) = written(api)
    assert 2 == event["series"]["count"]


async def test_telling_never_fails_and_never_waits(api, recorder, caplog):
    """Whoever tells has something more important to do."""
    api.next_is("create", CUT, KubeError(403, "Forbidden", "no"), KubeError(403, "Forbidden", "no"))
    for number in range(3):
        recorder.tell(HOLD, "Woke", f"text {number}")
    await asyncio.sleep(0.1)
    assert 3 == recorder.lost
    assert 2 == len([record for record in caplog.records if record.levelname == "WARNING"])
    recorder.tell(HOLD, "Woke", "text 0")
    await asyncio.sleep(0.1)
    (event,) = written(api)
    assert "series" not in event, "the first of them was never written"
    assert "<Recorder 0 pending, 3 lost>" == repr(recorder)


async def test_an_outage_does_not_fill_the_memory(api, recorder):
    """What cannot be told within a thousand is lost, and counted."""
    api.hangs = True
    for number in range(PENDING + 10):
        about = {**HOLD, "metadata": {**HOLD["metadata"], "uid": str(number)}}
        recorder.tell(about, "Woke", "by a request")
    assert 10 == recorder.lost


async def test_an_event_that_is_there_after_all_is_not_lost(api, recorder):
    """The name is ours, so that a second attempt finds what the first has made."""
    recorder.tell(HOLD, "Woke", "by a request")
    await asyncio.sleep(0.1)
    api.next_is("patch", FakeAnswer(404, status(404, "NotFound")))
    recorder.tell(HOLD, "Woke", "by a request")
    await asyncio.sleep(0.1)
    assert ["create", "patch", "create"] == api.verbs()
    assert 1 == len(written(api))
    assert 0 == recorder.lost


async def test_a_note_has_a_length_that_the_api_accepts(api, recorder):
    """It may quote what a container said before it died."""
    recorder.tell(HOLD, "WakeFailed", "x" * 5000)
    await asyncio.sleep(0.1)
    assert 1000 == len(written(api)[0]["note"])


async def test_a_flush_waits_for_what_was_told_and_no_longer(api, recorder):
    """What a process did last is what its successor is asked about."""
    loop = asyncio.get_running_loop()
    for number in range(3):
        recorder.tell(HOLD, "Slept", f"text {number}")
    began = loop.time()
    await recorder.flush(5)
    assert 3 == len(written(api))
    await recorder.flush(5)
    assert loop.time() - began < 0.1, "nothing to wait for"


async def test_a_flush_counts_what_is_lost_as_told(api, recorder):
    """An API server that refuses Events does so to the end."""
    api.next_is("create", KubeError(403, "Forbidden", "no"))
    recorder.tell(HOLD, "Slept", "for the last time")
    began = asyncio.get_running_loop().time()
    await recorder.flush(5)
    assert 1 == recorder.lost
    assert asyncio.get_running_loop().time() - began < 0.1


@pytest.mark.parametrize("patience", [0, 2])
async def test_a_flush_has_its_bound(api, recorder, patience):
    """A silent API server must not keep a process from its end."""
    api.hangs = True
    recorder.tell(HOLD, "Slept", "for the last time")
    began = asyncio.get_running_loop().time()
    await recorder.flush(patience)
    assert patience == pytest.approx(asyncio.get_running_loop().time() - began)
    assert not written(api)
