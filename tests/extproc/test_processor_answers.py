"""What a client is told whose request does not go on, over the wire."""

import json

from extproc.core.fallback import Fallback
from extproc.core.probe import ProbeRule
from tests.extproc.fake_envoy import goes_on, headers_of, refused, request_headers
from tests.extproc.processor_rig import CART


async def test_patience_that_ends_is_a_504(rig, envoy):
    """Before the client's own timeout, with a reason and a time to come back."""
    rig.manage(timeout=0.05)
    response = await refused(await envoy.ask(request_headers()))
    headers = headers_of(response)
    assert response.status is not None
    assert (504, "layby_timeout") == (response.status.code, response.details)
    assert (headers["x-layby-reason"], headers["retry-after"]) == ("timeout", "5")
    assert 50 <= int(headers["x-layby-held-ms"]) < 2000
    assert response.body.startswith(
        b"504 Gateway Timeout: timeout\ncart could not take the request"
    )
    assert [CART] == rig.asked


async def test_a_request_beyond_the_bound_is_a_503_and_those_parked_are_unharmed(
    rig, envoy, parked
):
    """Never a gRPC error: Envoy would let the request go on, to nowhere."""
    rig.manage(max_pending=1)
    call = await parked()
    response = await refused(await envoy.ask(request_headers()))
    assert response.status is not None
    assert (503, "layby_queue-full") == (response.status.code, response.details)
    assert "retry-after" in headers_of(response)
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)


async def test_a_json_client_gets_a_problem(rig, parked):
    """Its `accept` header crossed with the request."""
    call = await parked(request_headers(accept="application/json"))
    rig.throttler.start_failed(CART, "ImagePullBackOff")
    response = await refused(call)
    problem = json.loads(response.body)
    assert (503, "ImagePullBackOff") == (problem["status"], problem["detail"])
    assert headers_of(response)["content-type"] == "application/problem+json"


async def test_a_grpc_client_gets_a_grpc_status(rig, parked):
    """UNAVAILABLE, which its retry policy understands."""
    call = await parked(request_headers(**{"content-type": "application/grpc"}))
    rig.throttler.start_failed(CART, "exit 1")
    response = await refused(call)
    assert response.grpc_status is not None
    assert response.status is not None
    assert (14, 200) == (response.grpc_status.status, response.status.code)
    assert response.body == b"cannot-start: exit 1"


async def test_a_client_is_told_what_the_workloads_owner_wants(rig, envoy):
    """Headers and body go over the wire as they are."""
    page = Fallback(90.0, body="<p>Back soon, café.", content_type="text/html; charset=utf-8")
    rig.manage(timeout=0.01, fallback=page)
    response = await refused(await envoy.ask(request_headers()))
    headers = headers_of(response)
    assert response.status is not None
    assert (504, page.body.encode()) == (response.status.code, response.body)
    assert ("90", page.content_type) == (headers["retry-after"], headers["content-type"])
    assert headers["x-layby-reason"] == "timeout"


async def test_a_client_is_sent_where_the_workloads_owner_wants(rig, envoy):
    """To a status page, say."""
    rig.manage(timeout=0.01, fallback=Fallback(redirect="https://status.example/?of=cart"))
    response = await refused(await envoy.ask(request_headers()))
    headers = headers_of(response)
    assert response.status is not None
    assert (307, b"") == (response.status.code, response.body)
    assert headers["location"] == "https://status.example/?of=cart"
    assert headers["x-layby-reason"] == "timeout"


async def test_a_probe_is_answered_and_is_no_demand(rig, envoy):
    """It wakes nothing and keeps nothing awake."""
    rig.manage(ProbeRule(path="/healthz", status=204))
    response = await refused(await envoy.ask(request_headers(_path="/healthz?full")))
    assert response.status is not None
    assert response.status.code == 204
    assert ([], []) == (rig.asked, rig.waker.woken)


async def test_draining_without_a_successor_answers(rig, parked):
    """With nobody to hand over to, the client itself has to try again."""
    call = await parked()
    rig.throttler.drain()
    response = await refused(call)
    assert response.status is not None
    assert (503, "layby_draining") == (response.status.code, response.details)
    assert headers_of(response)["retry-after"] == "1"
