"""Starts that fail, and an API server that does."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from extproc.core.outcome import Outcome
from extproc.core.workload import WorkloadKey
from extproc.mesh.lookout import EVENTS_SECONDS, WITHOUT_PODS_SECONDS
from extproc.mesh.waker import LAST_RETRY_SECONDS, LOOK_AGAIN_SECONDS
from kube.resource import DEPLOYMENTS, EVENTS, PODS
from tests.extproc.mesh.objects import (
    QUOTA,
    deployment,
    event,
    pod,
    read_hold,
    unschedulable,
)
from tests.extproc.mesh.waking import A_MOMENT, AGES_AGO, waking
from tests.kube.fake_api import CUT, FakeAnswer, status

pytestmark = pytest.mark.looptime

FORBIDDEN = FakeAnswer(403, status(403, "Forbidden"))


async def test_while_the_api_server_is_away_it_is_asked_now_and_then(caplog):
    """A request waits for a minute; most outages are over by then."""
    async with waking() as rig:
        rig.api.down = True
        request = rig.ask()
        await asyncio.sleep(20)
        assert 5 <= len(rig.api.asked) <= 12
        assert "shop/cart cannot be woken yet: Unreachable: cut" in caplog.text
        assert not request.done()
        rig.api.down = False
        await asyncio.sleep(LAST_RETRY_SECONDS)
        assert [(0, 1)] == rig.api.scaled


@pytest.mark.parametrize("verb", ["get", "patch", "list", "watch"])
async def test_no_single_failure_ends_a_wake(verb):
    """Nor the task group that all wakes share."""
    async with waking() as rig:
        rig.ask()
        await asyncio.sleep(1)
        rig.api.next_is(verb, CUT)
        rig.api.cut()
        await asyncio.sleep(2 * LOOK_AGAIN_SECONDS)
        rig.api.scale(0)
        await asyncio.sleep(2 * LOOK_AGAIN_SECONDS)
        assert [(0, 1), (0, 1)] == rig.api.scaled
        assert 1 == len(rig.waker.tasks)


async def test_a_target_that_is_not_there_is_waited_for():
    """Holds and workloads are applied in any order."""
    async with waking() as rig:
        item = rig.api.find()
        rig.api.remove(DEPLOYMENTS, item)
        rig.ask()
        await asyncio.sleep(10)
        rig.api.put(DEPLOYMENTS, deployment())
        await asyncio.sleep(LAST_RETRY_SECONDS)
        assert 1 == rig.api.replicas


async def test_our_own_mistake_about_one_workload_is_no_other_s_trouble(caplog):
    """Such as a field that the API has always had and does not have here."""
    broken = {**unschedulable(AGES_AGO), "lastTransitionTime": None}
    async with waking() as rig:
        rig.api.put(PODS, pod(conditions=[broken]))
        rig.ask()
        await asyncio.sleep(1)
        assert "shop/cart cannot be woken" in caplog.text
        assert 1 == len(rig.waker.tasks)
        assert 1 == rig.api.replicas


async def test_a_start_that_is_hopeless_is_told_at_once():
    """By the pod itself, the moment that it says so."""
    async with waking() as rig:
        request, other = rig.ask(), rig.ask(WorkloadKey("shop", "cart", "cart:81"))
        await asyncio.sleep(3)
        rig.api.put(PODS, pod(waiting="ContainerCreating"))
        await asyncio.sleep(3)
        assert not request.done()
        rig.api.put(PODS, pod(waiting="ImagePullBackOff", message="no such image"))
        await asyncio.sleep(A_MOMENT)
        for each in (request, other):
            verdict = each.result()
            assert Outcome.HOPELESS == verdict.outcome
            assert "app: ImagePullBackOff: no such image" == verdict.detail


async def test_pods_that_cannot_be_made_are_found_out_at_the_next_look():
    """There is no pod to be watched."""
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.put(DEPLOYMENTS, deployment(replicas=1, conditions=[QUOTA]))
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert "FailedCreate: exceeded quota: pods" == request.result().detail


async def test_after_a_hopeless_start_the_next_request_is_another_try():
    """Somebody may have mended it."""
    async with waking() as rig:
        rig.api.put(PODS, pod(waiting="ErrImagePull"))
        assert Outcome.HOPELESS == (await rig.ask()).outcome
        await asyncio.sleep(30)
        assert not rig.waker.tasks
        rig.api.put(PODS, pod(waiting="ContainerCreating"))
        request = rig.ask()
        await asyncio.sleep(5)
        assert not request.done()
        assert 1 == len(rig.waker.tasks)


@pytest.mark.parametrize("subresources", [None, (), ("status",)])
async def test_a_kind_that_cannot_be_scaled_is_told(subresources):
    """It will not become another while a request waits."""
    target = {"apiVersion": "example.org/v1", "kind": "Mill", "name": "cart"}
    async with waking(read_hold(targetRef=target)) as rig:
        if subresources is not None:
            rig.api.serve("example.org/v1", "Mill", "mills", *subresources)
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        verdict = request.result()
        assert Outcome.HOPELESS == verdict.outcome
        assert "example.org/v1 Mill is not a kind that can be scaled here" == verdict.detail
        await asyncio.sleep(0)
        assert not rig.waker.tasks


async def test_without_a_selector_no_pod_is_taken_for_its_own():
    """The pods of the whole namespace would speak for it, those of others that crash included."""
    async with waking() as rig:
        item = deployment()
        rig.api.put(DEPLOYMENTS, {**item, "spec": {**item["spec"], "selector": ""}})
        rig.api.put(PODS, pod("another", waiting="CrashLoopBackOff"))
        request = rig.ask()
        await asyncio.sleep(10)
        assert not request.done()
        assert 0 == rig.asked("list", "/pods")
        assert 1 == rig.api.replicas


async def test_pods_that_are_never_made_are_asked_after_and_events_say_why():
    """A StatefulSet tells it in no other way; a second or two may pass before the first pod."""
    async with waking() as rig:
        rig.api.put(EVENTS, event(at=datetime.now(UTC).isoformat()))
        request = rig.ask()
        await asyncio.sleep(WITHOUT_PODS_SECONDS - 1)
        assert 0 == rig.asked("list", "/events")
        await asyncio.sleep(1 + LOOK_AGAIN_SECONDS)
        assert "FailedCreate: exceeded quota: pods" == request.result().detail
        [asked] = [each for each in rig.api.asked if each.path.endswith("/events")]
        assert "regarding.uid=uid-of-cart" == asked.query["fieldSelector"]


@pytest.mark.parametrize("minutes", [1, -1])
async def test_only_what_is_told_after_replicas_were_asked_for_is_believed(minutes):
    """Whoever has made room since then must not be refused for what was before that."""
    asked_at = datetime.now(UTC)
    async with waking() as rig:
        rig.api.put(EVENTS, event(at=(asked_at + timedelta(minutes=minutes)).isoformat()))
        rig.api.put(DEPLOYMENTS, scaled_by("keda", asked_at))
        request = rig.ask()
        await asyncio.sleep(WITHOUT_PODS_SECONDS + LOOK_AGAIN_SECONDS)
        assert (minutes > 0) is request.done()
        await asyncio.sleep(20)
        assert minutes > 0 or rig.asked("list", "/events") <= 1 + 20 / EVENTS_SECONDS


def scaled_by(manager, at):
    """Make the Deployment as somebody has scaled it to one replica."""
    fields: dict[str, object] = {"fieldsV1": {"f:spec": {"f:replicas": {}}}}
    item = deployment(replicas=1)
    item["metadata"]["managedFields"] = [
        {"manager": "helm", "time": AGES_AGO, **fields},
        {"manager": "kubectl", "time": "2099-01-01T00:00:00Z"},
        {"manager": manager, "time": at.isoformat(), **fields},
        {"manager": "old", **fields},
    ]
    return item


async def test_events_that_nobody_may_read_or_with_a_pod_there_are_not_asked():
    """A role of one's own may not have them: then a request waits as long as it would."""
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(WITHOUT_PODS_SECONDS - 1)
        rig.api.next_is("list", FORBIDDEN)
        await asyncio.sleep(1 + LOOK_AGAIN_SECONDS)
        assert 1 == rig.asked("list", "/events")
        assert not request.done()
        assert 1 == len(rig.waker.tasks)
        rig.api.put(PODS, pod(waiting="ContainerCreating"))
        await asyncio.sleep(3 * EVENTS_SECONDS)
        assert 1 == rig.asked("list", "/events")


async def test_of_a_target_that_nobody_may_read_the_pods_tell_alone():
    """A role may cover the scale of a kind and not the kind."""
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(1)
        rig.api.next_is("get", FORBIDDEN)
        rig.api.put(PODS, pod(waiting="ErrImagePull"))
        await asyncio.sleep(A_MOMENT)
        assert "app: ErrImagePull" == request.result().detail
