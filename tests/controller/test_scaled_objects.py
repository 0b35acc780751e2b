"""What is made of a refusal of the API server's, or of KEDA's."""

from dataclasses import replace

import pytest

from kube.errors import refused
from kube.resource import SCALED_OBJECTS
from tests.controller.looking import begin, cart, condition, events, reason, replicas
from tests.controller.objects import definition, hold, scaled_object
from tests.kube.fake_api import CUT
from tests.kube.fake_api import status as refusal

pytestmark = pytest.mark.looptime

OURS = "layby-cart"


REFUSAL = (
    "admission webhook \"vscaledobject.kb.io\" denied the request: the workload 'cart' of type "
    "'apps/v1.Deployment' is already managed by the hpa 'mine'"
)


@pytest.mark.parametrize("code", [403, 422, 400, 500])
@pytest.mark.parametrize("theirs", [(), (scaled_object(),)], ids=["ours", "theirs"])
async def test_keda_s_refusal_is_told_in_its_words_and_tried_again(running, code, theirs):
    """Who is in the way may go, and nobody tells."""
    cluster = running.cluster
    real, refusals = cluster.send, 0
    answer = refused(refusal(code, "Forbidden", REFUSAL))
    refusing = True

    async def send(request):
        nonlocal refusals
        if "/scaledobjects/" in request.path and refusing:
            refusals += 1
            raise answer
        return await real(request)

    cluster.send = send
    await begin(running, definition(), *cart(), *theirs)
    assert "ScaledObjectRejected" == reason(cluster, "ScalerReady")
    assert REFUSAL in condition(cluster, "ScalerReady")["message"]
    assert ["ScaledObjectRejected"] == events(cluster)
    running.demand.say("cart", quiet=3600.0)
    await running.settle(50.0)
    assert (1, 1) == (refusals, replicas(cluster))
    refusing = False
    await running.settle(20.0)
    assert "layby" in [each.get("name") for each in _triggers(cluster)]


def _triggers(cluster):
    items = (cluster.find(SCALED_OBJECTS, name) for name in cluster.names(SCALED_OBJECTS))
    return [each for item in items for each in item["spec"]["triggers"]]


@pytest.mark.parametrize("code", [409, 429, 503, 404])
async def test_what_passes_is_tried_again_soon_and_not_told(running, code):
    """Somebody was quicker, or the API server has much to do."""
    cluster = running.cluster
    real, answers = cluster.send, [refused(refusal(code, "Whatever", "no"))]

    async def send(request):
        if "/scaledobjects/" in request.path and answers:
            raise answers.pop()
        return await real(request)

    cluster.send = send
    await begin(running, definition(), *cart())
    await running.settle(2.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)
    assert [] == events(cluster)


async def test_an_api_server_that_is_away_is_waited_for(running):
    """It has not said anything."""
    cluster = running.cluster
    real, away = cluster.send, True

    async def send(request):
        if "/scaledobjects/" in request.path and away:
            raise CUT
        return await real(request)

    cluster.send = send
    await begin(running, definition(), *cart())
    assert [] == cluster.names(SCALED_OBJECTS)
    away = False
    await running.settle(30.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)


async def test_a_field_that_keda_does_not_know_is_not_written_over_and_over(running):
    """An older KEDA drops what it does not know, and says nothing."""
    cluster = running.cluster
    real = cluster.send

    async def send(request):
        if "/scaledobjects/" in request.path and request.body:
            spec = {k: v for k, v in request.body.get("spec", {}).items() if k != "fallback"}
            request = replace(request, body={**request.body, "spec": spec})
        return await real(request)

    cluster.send = send
    scaling = {"fallback": {"failureThreshold": 3, "replicas": 2}}
    await begin(
        running, definition(), *cart()[:-1], hold(spec={"scaling": scaling}), scaled_object()
    )
    await running.settle(5.0)
    cluster.writes.clear()
    await running.settle(30.0)
    assert {} == cluster.writes
    assert "does not have all of these fields" in condition(cluster, "ScalerReady")["message"]


async def test_scaled_objects_that_may_not_be_listed_are_no_reason_to_put_to_sleep(running):
    """There may be one of a user's; and whoever reads the condition knows what to do."""
    cluster, forbidden = running.cluster, refused(refusal(403, "Forbidden", "no"))
    real = cluster.send

    async def send(request):
        if request.path.endswith("/scaledobjects"):
            raise forbidden
        return await real(request)

    cluster.send = send
    await begin(running, definition(), *cart())
    await running.settle(10.0)
    assert "Forbidden: no" in condition(cluster, "ScalerReady")["message"]
    running.demand.say("cart", quiet=3600.0)
    await running.settle(310.0)
    assert 1 == replicas(cluster)
    cluster.send = real
    await running.settle(15.0)
    assert [OURS] == cluster.names(SCALED_OBJECTS)
