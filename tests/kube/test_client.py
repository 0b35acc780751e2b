import asyncio

import pytest

from kube.client import Kube, Scale
from kube.errors import (
    ConflictError,
    InvalidError,
    KubeError,
    MismatchError,
    UnreachableError,
)
from kube.request import Request
from kube.resource import DEPLOYMENTS, PODS, TRAFFIC_HOLDS, Key, Selection
from tests.kube.fake_api import FakeAnswer, status

pytestmark = pytest.mark.looptime

CART = Key("shop", "cart")
BODY = {"metadata": {"namespace": "shop", "name": "cart"}, "spec": {}}
NAMED = {"apiVersion": "layby.dev/v1alpha1", "kind": "TrafficHold", **BODY}
HOLDS = "/apis/layby.dev/v1alpha1/namespaces/shop/trafficholds"
OURS = {"fieldManager": "layby"}
DONE = FakeAnswer(200, {})
BUSY = FakeAnswer(429, status(429, "TooManyRequests"), "2")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda kube: kube.get(TRAFFIC_HOLDS, CART),
            Request("get", "GET", f"{HOLDS}/cart"),
        ),
        (
            lambda kube: kube.create(TRAFFIC_HOLDS, BODY),
            Request("create", "POST", HOLDS, OURS, NAMED),
        ),
        (
            lambda kube: kube.replace(TRAFFIC_HOLDS, BODY, subresource="status"),
            Request("update", "PUT", f"{HOLDS}/cart/status", OURS, NAMED),
        ),
        (
            lambda kube: kube.patch_merge(TRAFFIC_HOLDS, CART, {"spec": None}),
            Request(
                "patch", "PATCH", f"{HOLDS}/cart", OURS, {"spec": None},
                "application/merge-patch+json",
            ),
        ),
        (
            lambda kube: kube.patch_json(TRAFFIC_HOLDS, CART, ({"op": "remove", "path": "/a"},)),
            Request(
                "patch", "PATCH", f"{HOLDS}/cart", OURS, [{"op": "remove", "path": "/a"}],
                "application/json-patch+json",
            ),
        ),
        (
            lambda kube: kube.apply(TRAFFIC_HOLDS, BODY),
            Request(
                "apply", "PATCH", f"{HOLDS}/cart", {**OURS, "force": "false"}, NAMED,
                "application/apply-patch+yaml",
            ),
        ),
        (
            lambda kube: kube.apply_status(TRAFFIC_HOLDS, BODY, force=True),
            Request(
                "apply", "PATCH", f"{HOLDS}/cart/status", {**OURS, "force": "true"}, NAMED,
                "application/apply-patch+yaml",
            ),
        ),
        (
            lambda kube: kube.delete(TRAFFIC_HOLDS, CART, uid="u", version="7"),
            Request(
                "delete", "DELETE", f"{HOLDS}/cart",
                body={
                    "preconditions": {"uid": "u", "resourceVersion": "7"},
                    "propagationPolicy": "Background",
                },
            ),
        ),
        (
            lambda kube: kube.get_scale(DEPLOYMENTS, CART),
            Request("get", "GET", "/apis/apps/v1/namespaces/shop/deployments/cart/scale"),
        ),
    ],
)  # fmt: skip
async def test_a_verb_becomes_a_request(api, call, expected):
    """And is counted, so that a test can say that steady state writes nothing."""
    api.next_is(expected.verb, DONE)
    await call(api.kube)
    assert [expected] == api.asked
    assert {expected.verb: 1} == api.kube.requests


@pytest.mark.parametrize(
    ("current", "tested"),
    # At 0 the API leaves the field out, so that there is nothing to compare with 0.
    [(0, None), (3, 3)],
)
async def test_scaling_says_from_how_many(api, current, tested):
    """Whoever has scaled meanwhile knows better: a wake must not take replicas away."""
    answer = {"spec": {"replicas": 5}, "status": {"replicas": 3, "selector": "app=cart"}}
    api.next_is("patch", FakeAnswer(200, answer))
    scale = await api.kube.patch_scale(DEPLOYMENTS, CART, current=current, desired=5)
    assert Scale(5, 3, "app=cart") == scale
    assert [
        {"op": "test", "path": "/spec/replicas", "value": tested},
        {"op": "add", "path": "/spec/replicas", "value": 5},
    ] == api.asked[0].body


@pytest.mark.parametrize("answer", [{}, {"spec": {}, "status": {"replicas": 0}}, {"spec": None}])
async def test_a_scale_of_zero_is_told_by_leaving_it_out(api, answer):
    """Some resources have no selector either."""
    api.next_is("get", FakeAnswer(200, answer))
    assert Scale(0, 0, "") == await api.kube.get_scale(DEPLOYMENTS, CART)


async def test_a_patch_that_does_not_fit_is_told_from_an_invalid_object(api):
    """The first is a race that was lost, the second a mistake to report."""
    fields = {"causes": [{"field": "spec.replicas", "message": "must not be negative"}]}
    api.next_is(
        "patch",
        FakeAnswer(422, status(422, "Invalid", "the server rejected our request")),
        FakeAnswer(422, status(422, "Invalid", "spec.replicas: Invalid", details=fields)),
    )
    with pytest.raises(MismatchError):
        await api.kube.patch_scale(DEPLOYMENTS, CART, current=1, desired=2)
    with pytest.raises(InvalidError) as invalid:
        await api.kube.patch_scale(DEPLOYMENTS, CART, current=1, desired=-2)
    assert InvalidError is type(invalid.value)


async def test_a_list_is_read_page_by_page(api):
    """Two thousand objects in one answer would hold up everything else."""
    pages = [
        {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "x"}},
        {"items": [{"metadata": {"name": "b"}}], "metadata": {"resourceVersion": "7"}},
    ]
    api.next_is("list", *(FakeAnswer(200, page) for page in pages))
    listing = await api.kube.list(Selection(PODS, "shop", "app=cart"), page_size=1)
    assert ["a", "b"] == [item["metadata"]["name"] for item in listing.items]
    assert "7" == listing.version
    assert [
        {"labelSelector": "app=cart", "limit": "1"},
        {"labelSelector": "app=cart", "limit": "1", "continue": "x"},
    ] == [request.query for request in api.asked]


async def test_listed_objects_know_what_they_are(api):
    """The API leaves it out in lists of its own resources, and an Event about one needs it."""
    answer = {"items": [{"metadata": {"name": "a"}}], "metadata": {"resourceVersion": "7"}}
    api.next_is("list", FakeAnswer(200, answer))
    (item,) = (await api.kube.list(Selection(PODS))).items
    assert ("v1", "Pod") == (item["apiVersion"], item["kind"])


async def test_an_empty_list_may_be_null(api):
    """It is, of some aggregated API servers."""
    api.next_is("list", FakeAnswer(200, {"items": None, "metadata": {"resourceVersion": "7"}}))
    assert [] == list((await api.kube.list(Selection(PODS))).items)


async def test_a_busy_server_is_asked_again_when_it_says(api, looptime):
    """It did not carry the request out, so that this is right even for a create."""
    api.next_is("create", BUSY, FakeAnswer(503, b"", "1"), DONE)
    await api.kube.create(TRAFFIC_HOLDS, BODY)
    assert 3 == looptime
    assert {"create": 3} == api.kube.requests
    assert BUSY.closed


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (BUSY, 3),
        (FakeAnswer(429, status(429, "TooManyRequests"), "3600"), 1),
        (FakeAnswer(500, status(500, "InternalError")), 1),
        (FakeAnswer(409, status(409, "Conflict")), 1),
    ],
)
async def test_other_refusals_are_for_the_caller(api, answer, tries):
    """Who has a backoff of their own, and may by then want something else."""
    api.next_is("create", answer, answer, answer)
    with pytest.raises(KubeError):
        await api.kube.create(TRAFFIC_HOLDS, BODY)
    assert {"create": tries} == api.kube.requests


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b""])
async def test_an_answer_that_is_no_object_is_not_the_api_server_s(api, body):
    """A captive portal says 200 as well."""
    api.next_is("get", FakeAnswer(200, body))
    with pytest.raises(UnreachableError) as caught:
        await api.kube.get(PODS, CART)
    assert "Garbled" == caught.value.reason


async def test_requests_have_a_time_limit_and_a_name_of_ours(api):
    """Both given once, where the client is made."""
    kube = Kube(api, field_manager="layby-cli", timeout_seconds=4.0)
    api.next_is("create", DONE)
    await kube.create(TRAFFIC_HOLDS, BODY)
    assert 4.0 == api.asked[0].timeout_seconds
    assert {"fieldManager": "layby-cli"} == api.asked[0].query


async def test_a_conflict_is_an_error_of_its_own(api):
    """Whoever replaces what they have read must be able to read it again."""
    api.put(TRAFFIC_HOLDS, BODY)
    stale = {"metadata": {**BODY["metadata"], "resourceVersion": "0"}}
    with pytest.raises(ConflictError):
        await api.kube.replace(TRAFFIC_HOLDS, stale)


async def test_a_cancelled_request_lets_go_of_its_connection(api):
    """Cancelling is how everything here ends."""
    api.hangs = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await api.kube.get(PODS, CART)
