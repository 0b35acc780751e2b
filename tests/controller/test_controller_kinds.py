"""The controller with workloads of all kinds."""

import pytest

from controller.facts import FINALIZER
from kube.errors import refused
from kube.resource import DEPLOYMENTS, TRAFFIC_HOLDS, Key
from tests.controller.cluster import MILLS
from tests.controller.looking import begin, condition, events, reason
from tests.controller.objects import deployment, endpoints, hold, mill, service
from tests.kube.fake_api import status as refusal

pytestmark = pytest.mark.looptime

MILL = {"apiVersion": "example.org/v1", "kind": "Mill", "name": "mill"}
LISTED = {"targetRef": MILL, "services": [{"name": "cart"}]}


@pytest.mark.parametrize("spec", [{"targetRef": MILL}, LISTED])
async def test_a_kind_of_one_s_own_is_scaled_by_its_scale(running, spec):
    """Wherever it keeps its replicas, and however it selects its pods."""
    await begin(running, mill(wheels=2), service(), endpoints(), hold(spec=spec))
    cluster = running.cluster
    assert "Accepted" == reason(cluster, "Accepted")
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert 0 == cluster.find(MILLS, "mill")["spec"]["wheels"]
    cluster.delete(hold())
    await running.settle(15.0)
    assert 1 == cluster.find(MILLS, "mill")["spec"]["wheels"]


async def test_its_pods_are_a_claim_on_a_service_like_any_other(running):
    """Two workloads behind one Service are a conflict, whatever their kinds."""
    young = {"creationTimestamp": "2026-02-01T00:00:00Z"}
    await begin(running, mill(), service(), hold(spec={"targetRef": MILL}))
    running.cluster.have(deployment(), hold("young", **young))
    await running.settle()
    assert "ServiceConflict" == reason(running.cluster, "Accepted", "young")


async def test_a_statefulset_with_a_headless_service_is_held_by_its_other_one(running):
    """That is how they are written."""
    peers = service("peers", selector={"app": "cart"}, clusterIP="None")
    items = (deployment(kind="StatefulSet"), service(), peers, hold(kind="StatefulSet"))
    await begin(running, *items)
    assert "Accepted" == reason(running.cluster, "Accepted")


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"apiVersion": "example.org/v1", "kind": "Nothing", "name": "x"}, "TargetNotFound"),
        ({"apiVersion": "nowhere.org/v1", "kind": "Mill", "name": "x"}, "TargetNotFound"),
        ({"apiVersion": "example.org/v1", "kind": "Static", "name": "x"}, "TargetNotScalable"),
    ],
)
async def test_a_kind_that_cannot_be_scaled_is_told(running, ref, expected):
    running.cluster.serve(MILLS._replace(plural="statics", kind="Static"), scale=False)
    await begin(running, hold(spec={"targetRef": ref}))
    assert expected == reason(running.cluster, "Accepted")


async def test_a_hold_on_a_scaled_job_is_refused(running):
    """A job has no requests to hold. The API server says so first, if it has the rule."""
    job = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "name": "cart"}
    await begin(running, hold(spec={"targetRef": job}))
    assert "Invalid" == reason(running.cluster, "Accepted")
    assert "has no requests to hold" in condition(running.cluster, "Accepted")["message"]


async def test_a_kind_that_is_not_served_yet_is_found_when_it_is(running):
    """Its definition may be applied after the TrafficHold."""
    ref = {"apiVersion": "late.org/v1", "kind": "Mill", "name": "mill"}
    await begin(running, service(), hold(spec={"targetRef": ref}))
    cluster = running.cluster
    cluster.serve(MILLS._replace(group="late.org"))
    late = {**mill(), "apiVersion": "late.org/v1"}
    cluster.put(MILLS._replace(group="late.org"), late)
    await running.settle(60.0)
    assert "Accepted" == reason(cluster, "Accepted")


async def test_a_kind_whose_scale_may_not_be_read_is_told(running):
    """Its replicas are known from nowhere else."""
    forbidden = refused(refusal(403, "Forbidden", "no"))
    running.cluster.have(service(), hold(spec={"targetRef": MILL}), mill())
    real = running.cluster.send

    async def send(request):
        if request.path.endswith("/scale"):
            raise forbidden
        return await real(request)

    running.cluster.send = send
    running.start()
    await running.settle()
    assert "TargetNotScalable" == reason(running.cluster, "Accepted")


async def test_a_kind_that_may_not_be_listed_is_told(running):
    """The role has to be put right, and the condition says how."""
    forbidden = refused(refusal(403, "Forbidden", "no"))
    running.cluster.have(service(), hold(spec={"targetRef": MILL}), mill())
    real = running.cluster.send

    async def send(request):
        if request.path.endswith("/mills"):
            raise forbidden
        return await real(request)

    running.cluster.send = send
    running.start()
    await running.settle(30.0)
    conditions = running.cluster.find(TRAFFIC_HOLDS, "cart")["status"]["conditions"]
    assert "TargetNotScalable" == reason(running.cluster, "Accepted")
    assert "may not list mills.example.org" in conditions[0]["message"]


@pytest.mark.parametrize("what", ["/mills", "/scale"])
async def test_what_is_held_is_not_let_go_for_want_of_a_right(running, what):
    """What is asleep would stay so, and its requests would get 503."""
    forbidden = refused(refusal(403, "Forbidden", "no"))
    held = hold(spec={"targetRef": MILL}, finalizers=[FINALIZER])
    running.cluster.have(service(), held, mill())
    real, refuses = running.cluster.send, True

    async def send(request):
        if request.path.endswith(what) and refuses:
            raise forbidden
        return await real(request)

    running.cluster.send = send
    running.start()
    await running.settle(120.0)
    found = running.cluster.find(TRAFFIC_HOLDS, "cart")
    assert [FINALIZER] == found["metadata"]["finalizers"]
    assert "status" not in found or not found["status"].get("conditions")
    refuses = False
    await running.settle(120.0)
    assert "Accepted" == reason(running.cluster, "Accepted")


async def test_a_scaling_that_is_refused_is_told_and_tried_again(running):
    """A role may be put right, and nobody tells."""
    await begin(running, deployment(), service(), endpoints(), hold())
    cluster = running.cluster
    real, refusals = cluster.send, [refused(refusal(403, "Forbidden", "no"))]

    async def send(request):
        if request.path.endswith("/scale") and refusals:
            raise refusals.pop()
        return await real(request)

    cluster.send = send
    running.demand.say("cart", quiet=3600.0)
    await running.settle(302.0)
    assert "Forbidden" == reason(cluster, "ScalerReady")
    await running.settle(100.0)
    assert 0 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    assert "Direct" == reason(cluster, "ScalerReady")


async def test_a_rule_that_cannot_be_applied_is_told_and_tried_again(running):
    """An admission webhook may be down for a minute."""
    cluster = running.cluster
    real, down = cluster.send, True

    async def send(request):
        if "/destinationrules/" in request.path and down:
            raise refused(refusal(500, "InternalError", "webhook"))
        return await real(request)

    cluster.send = send
    await begin(running, deployment(), service(), endpoints(), hold())
    assert ["ApplyFailed"] == events(cluster)
    assert {} == cluster.find(TRAFFIC_HOLDS, "cart")["status"], "nothing is said that is not so"
    down = False
    await running.settle(60.0)
    assert "Ready" == reason(cluster, "Ready")


async def test_another_s_finalizer_is_kept(running):
    """It is somebody's promise to clean up."""
    items = (deployment(), service(), endpoints(), hold(finalizers=["example.org/mine"]))
    await begin(running, *items)
    cluster, path = running.cluster, TRAFFIC_HOLDS.path_of(Key("shop", "cart"))
    assert ["example.org/mine", "layby.dev/wake"] == cluster.objects[path]["metadata"]["finalizers"]
    cluster.delete(hold())
    await running.settle()
    assert ["example.org/mine"] == cluster.objects[path]["metadata"]["finalizers"]


async def test_what_was_learned_of_a_workload_goes_with_its_last_hold(running):
    """Workloads come and go for months, each under a name of its own."""
    items = (mill(), service(), endpoints(), hold(spec={"targetRef": MILL}))
    await begin(running, *items)
    learned = running.controller._parts.world.learned
    assert ["mill"] == [target.name for target in learned]
    running.cluster.delete(hold())
    await running.settle(15.0)
    assert {} == learned
