import asyncio
from contextlib import asynccontextmanager

import pytest

from extproc.core.hold import RELEASED, HoldQueue
from extproc.core.outcome import Outcome
from extproc.core.probe import Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, WorkloadKey
from extproc.mesh.directory import Directory, build
from extproc.mesh.waker import LAST_RETRY_SECONDS, LOOK_AGAIN_SECONDS, ScaleWaker
from extproc.mesh.wakes import Wakes
from extproc.throttler import Throttler
from kube.discovery import Discovery
from kube.resource import DEPLOYMENTS, PODS, Key
from telemetry.app import Telemetry
from telemetry.cold_start import Mark, Winner
from telemetry.settings import TraceSettings
from tests.extproc.mesh.objects import (
    QUOTA,
    deployment,
    pod,
    read_hold,
    service,
    unschedulable,
)
from tests.extproc.mesh.scaled_api import SELECTOR, ScaledApi
from tests.kube.fake_api import CUT

pytestmark = pytest.mark.looptime

CART = WorkloadKey("shop", "cart", "cart:80")
SERVICES = {
    Key("shop", "cart"): service(ports=[("http", 80), ("admin", 81)]),
    Key("shop", "till"): service("till"),
}
A_MOMENT = 0.01
AGES_AGO = "2020-01-01T00:00:00Z"


class Rig:
    """A waker, a throttler that asks it, and an API server with a sleeping Deployment."""

    def __init__(self, *holds) -> None:
        self.api = ScaledApi()
        self.api.put(DEPLOYMENTS, deployment())
        self.directory: Directory
        self.wakes = Wakes()
        self.reports = Telemetry(None, TraceSettings())
        self.waker = ScaleWaker(
            self.api.kube,
            Discovery(self.api.kube),
            lambda: self.directory,
            self.wakes,
            self.reports.cold_starts,
        )
        queue = HoldQueue(max_pending=100, settle=Settle(first=0.0))
        self.throttler = Throttler(queue, self.waker, self.reports.holds)
        self.hold(*holds or [read_hold()])

    def hold(self, *holds) -> None:
        """Have these holds and no others."""
        self.directory = build(holds, SERVICES, "cluster.local")
        self.throttler.replace(self.directory.workloads)

    def ask(self, key=CART):
        """Let a request come."""
        return asyncio.create_task(
            self.throttler.hold(key, Request(), Chance()), name=f"request for {key}"
        )

    def asked(self, verb, ending=""):
        """How many requests of a verb the API server had."""
        return sum(r.verb == verb and r.path.endswith(ending) for r in self.api.asked)


@asynccontextmanager
async def waking(*holds):
    """A waker whose tasks have all ended by themselves when nobody waits any more."""
    rig = Rig(*holds)
    async with asyncio.TaskGroup() as tasks:
        rig.waker.attach(rig.throttler, tasks)
        yield rig
        rig.throttler.drain()
        async with asyncio.timeout(LAST_RETRY_SECONDS + LOOK_AGAIN_SECONDS):
            while rig.waker.tasks:
                await asyncio.wait(list(rig.waker.tasks))
                await asyncio.sleep(0)
    assert all(watch.closed for watch in rig.api.watches)


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
