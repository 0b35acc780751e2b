import asyncio

import pytest

from extproc.core.hold import RELEASED
from extproc.core.workload import WorkloadKey
from extproc.mesh.waker import LOOK_AGAIN_SECONDS, ScaleWaker
from kube.resource import DEPLOYMENTS, PODS
from telemetry.cold_start import Mark, Winner
from tests.extproc.mesh.objects import (
    deployment,
    pod,
    read_hold,
)
from tests.extproc.mesh.scaled_api import SELECTOR
from tests.extproc.mesh.waking import A_MOMENT, CART, Rig, waking

pytestmark = pytest.mark.looptime


async def test_a_request_asks_for_the_replicas_that_its_hold_says():
    """Once: the rest is for an autoscaler to do."""
    async with waking(read_hold(wake={"replicas": 3})) as rig:
        rig.ask()
        await asyncio.sleep(30)
        assert [(0, 3)] == rig.api.scaled
        assert 3 == rig.api.replicas


async def test_many_requests_are_one_wake():
    """Of all ports of a hold: there is one number of replicas."""
    async with waking() as rig:
        for _ in range(20):
            rig.ask()
            rig.ask(WorkloadKey("shop", "cart", "cart:81"))
        await asyncio.sleep(1)
        assert 1 == len(rig.waker.tasks)
        assert 1 == rig.asked("patch", "/scale")
        assert ["wake shop/cart (cart:80)"] == [task.get_name() for task in rig.waker.tasks]


async def test_each_hold_is_woken_by_itself():
    """What one waits for is no reason for another to wait."""
    till = WorkloadKey("shop", "till", "till:80")
    async with waking(read_hold(), read_hold("till", services=("till",))) as rig:
        rig.api.put(DEPLOYMENTS, deployment("till"))
        rig.ask()
        rig.ask(till)
        await asyncio.sleep(1)
        assert 2 == len(rig.waker.tasks)
        assert 1 == rig.api.find("till")["spec"]["replicas"]


async def test_replicas_that_were_asked_for_already_are_left_as_they_are():
    """Another hold server was quicker, or an autoscaler knows better."""
    async with waking() as rig:
        rig.api.scale(7)
        rig.ask()
        await asyncio.sleep(10)
        assert [] == rig.api.scaled
        assert 7 == rig.api.replicas
        assert SELECTOR == rig.api.watches[0].request.query["labelSelector"]


async def test_what_somebody_takes_back_to_zero_is_asked_for_again():
    """A KEDA that has seen no metric yet, or a person who has not seen the request."""
    async with waking() as rig:
        rig.ask()
        await asyncio.sleep(1)
        rig.api.scale(0)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert [(0, 1), (0, 1)] == rig.api.scaled


async def test_it_ends_as_soon_as_something_is_ready():
    """The request goes on, and nobody watches the pods any more."""
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(1)
        rig.throttler.endpoints_changed(CART, 1)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert RELEASED == request.result()
        assert not rig.waker.tasks
        before = len(rig.api.asked)
        await asyncio.sleep(60)
        assert before == len(rig.api.asked)


async def test_it_ends_when_nobody_waits_any_more():
    """Whoever left does not need it; what was started sleeps again in time."""
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(1)
        request.cancel()
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert not rig.waker.tasks


async def test_whoever_comes_after_that_is_a_new_wake():
    """It may be asleep again by then."""
    async with waking() as rig:
        rig.ask().cancel()
        first = rig.ask()
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        rig.api.scale(0)
        rig.ask()
        await asyncio.sleep(1)
        assert [(0, 1), (0, 1)] == rig.api.scaled


class LastMinute:
    """Nobody waits any more; and in the very turn that this is found out, somebody comes."""

    def __init__(self, waker: ScaleWaker) -> None:
        self._waker = waker
        self._looks = 0
        self.waits = False

    def wants_wake(self, _key: WorkloadKey) -> bool:
        """Whether somebody waits."""
        self._looks += 1
        if self._looks == 1:
            asyncio.get_running_loop().call_soon(self._come)
        return self.waits

    def _come(self) -> None:
        self.waits = True
        self._waker.wake(CART)

    def start_failed(self, _key: WorkloadKey, _reason: str) -> None:
        """Be told."""


async def test_whoever_comes_while_a_wake_ends_is_not_forgotten():
    """It would wait until another comes, or until its time is over."""
    rig = Rig(read_hold(services=("till",)))
    waiting = LastMinute(rig.waker)
    async with asyncio.TaskGroup() as tasks:
        rig.waker.attach(waiting, tasks)
        rig.waker.wake(CART)
        await asyncio.sleep(A_MOMENT)
        assert 1 == len(rig.waker.tasks)
        waiting.waits = False
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert not rig.waker.tasks
    assert [(0, 1)] == rig.api.scaled


async def test_it_ends_when_the_hold_is_gone():
    """What has been started goes on starting; nothing new is."""
    async with waking() as rig:
        rig.ask()
        await asyncio.sleep(1)
        rig.hold()
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert not rig.waker.tasks


async def test_a_hold_that_nobody_has_is_not_woken():
    """It was deleted between two turns of the loop."""
    async with waking() as rig:
        rig.waker.wake(WorkloadKey("shop", "gone", "gone:80"))
        await asyncio.sleep(1)
        assert not rig.waker.tasks
        assert [] == rig.api.asked


async def test_nothing_is_woken_before_somebody_owns_the_tasks():
    """A task without an owner would outlive the server."""
    rig = Rig()
    request = rig.ask()
    await asyncio.sleep(1)
    assert not rig.waker.tasks
    assert [] == rig.api.asked
    request.cancel()
    await asyncio.wait([request])


def owned(manager: str, fields: str = "f:replicas"):
    """Make an entry of managedFields."""
    return {"manager": manager, "fieldsV1": {"f:spec": {fields: {}}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], Winner.AUTOSCALER),
        ([owned("keda"), owned("layby", "f:paused")], Winner.AUTOSCALER),
        ([owned("kubectl", "f:template"), owned("layby")], Winner.PEER),
    ],
)
async def test_it_is_told_who_was_quicker(entries, expected):
    """Many wakes of one hold by its autoscaler: its own trigger sees the requests first."""
    async with waking() as rig:
        item = deployment(replicas=2)
        item["metadata"]["managedFields"] = entries
        rig.api.put(DEPLOYMENTS, item)
        rig.ask()
        await asyncio.sleep(1)
        start = rig.reports.cold_starts.open(("shop", "cart"))
        assert start
        assert (expected, 2) == (start.winner, start.replicas)


async def test_its_own_start_is_followed_by_its_pods(caplog):
    """One line for each wake says where the time went."""
    caplog.set_level("INFO")
    async with waking() as rig:
        rig.ask()
        await asyncio.sleep(1)
        start = rig.reports.cold_starts.open(("shop", "cart"))
        assert start
        assert (Winner.LAYBY, 1) == (start.winner, start.replicas)
        scheduled = {"type": "PodScheduled", "status": "True"}
        rig.api.put(PODS, pod(ready=True, conditions=[scheduled]))
        await asyncio.sleep(1)
        assert [Mark.SCALED, Mark.SCHEDULED, Mark.READY] == [each for each, _ in start.marks()]
        rig.throttler.endpoints_changed(CART, 1)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    [line] = [each for each in caplog.messages if "shop/cart" in each]
    assert line.startswith("shop/cart woke in 2.00 s; scaled by layby (")


async def test_one_that_nobody_waits_for_any_more_is_over(caplog):
    """Its clients' patience is shorter than its start."""
    caplog.set_level("INFO")
    async with waking() as rig:
        request = rig.ask()
        await asyncio.sleep(1)
        request.cancel()
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        assert rig.reports.cold_starts.open(("shop", "cart")) is None
    assert "shop/cart: nobody waits after" in caplog.text


async def test_stopping_ends_a_wake_at_once():
    """Wherever it is: nothing is left open at the API server."""
    for seconds in (0, A_MOMENT, 1, 3):
        async with waking() as rig:
            rig.ask()
            await asyncio.sleep(seconds)
            for task in rig.waker.tasks:
                task.cancel()
            await asyncio.sleep(A_MOMENT)
            assert not rig.waker.tasks
            assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("pods of")]
