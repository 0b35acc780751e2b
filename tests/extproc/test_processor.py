import asyncio

import grpc
import pytest
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    CommonResponseResponseStatus,
    HttpBody,
    ProcessingRequest,
)

from extproc.core.workload import Workload
from tests.extproc.fake_envoy import (
    answer,
    connected,
    failure,
    goes_on,
    passes,
    request_headers,
)
from tests.extproc.processor_rig import CART


async def test_a_request_is_parked_and_goes_on_when_its_workload_is_ready(rig, parked):
    """The whole product, over the wire."""
    call = await parked()
    assert [CART] == rig.waker.woken
    rig.throttler.endpoints_changed(CART, 1)
    response = (await answer(call)).request_headers
    assert response is not None
    assert response.response is not None
    assert response.response.status == CommonResponseResponseStatus.CONTINUE
    # Its mark stays: the next chance looks whether Envoy has the endpoint.
    assert response.response.header_mutation is None
    assert [CART] == rig.asked


async def test_nothing_is_sent_before_the_answer(rig, parked):
    """Envoy moves a stream to another server when this one dies, but only one without a message."""
    call = await parked()
    reading = asyncio.create_task(call.read())
    other = await parked()
    assert not reading.done()
    rig.throttler.endpoints_changed(CART, 1)
    assert isinstance(await reading, bytes)
    assert await goes_on(other)


@pytest.mark.parametrize("cluster", ["outbound|80||stranger.shop.svc.cluster.local", "", None])
async def test_a_request_for_an_unmanaged_cluster_goes_on_at_once(rig, envoy, cluster):
    """Any cluster with no endpoint asks here; those that are not ours must notice nothing."""
    assert await passes(await envoy.ask(request_headers(cluster)))
    assert ([], []) == (rig.asked, rig.waker.woken)


async def test_a_request_that_is_only_counted_is_not_asked_about_again(rig, envoy):
    """A rehearsal must be noticed by nobody, and one request is one."""
    rig.throttler.replace({CART: Workload(CART, rehearsed=True)})
    assert await passes(await envoy.ask(request_headers()))
    assert ([CART], []) == (rig.asked, rig.waker.woken)


async def test_a_client_that_leaves_frees_its_place_at_once(rig, parked, eventually, caplog):
    """A slot held for nobody is a client refused for nothing; it happens all day, so no log."""
    call, other = await parked(), await parked()
    call.cancel()
    await eventually(lambda: rig.throttler.pending() == 1)
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(other)
    assert caplog.records == []


async def test_a_client_that_leaves_has_been_demand(rig, parked, eventually):
    """Clients less patient than the start is long would otherwise be served by nobody, ever: the
    workload goes back to sleep between two tries.
    """
    call = await parked()
    assert rig.asked == []
    call.cancel()
    await eventually(lambda: rig.throttler.pending() == 0)
    assert [CART] == rig.asked


async def test_a_connection_that_breaks_frees_all_its_places(rig, eventually):
    """An Envoy that dies takes its clients with it."""
    async with connected(rig.port) as doomed:
        for _ in range(50):
            await doomed.ask(request_headers())
        await eventually(lambda: rig.throttler.pending() == 50)
    await eventually(lambda: rig.throttler.pending() == 0)


async def test_a_half_closed_stream_stays_parked(rig, parked):
    """No more messages is not no more interest: only a reset says that the client has gone."""
    call = await parked()
    await call.done_writing()
    other = await parked()
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)
    assert await goes_on(other)


async def test_further_messages_change_nothing(rig, parked):
    """None should come, for the gate sends request headers only."""
    body = bytes(ProcessingRequest(request_body=HttpBody(body=b"x", end_of_stream=True)))
    call = await parked(request_headers(), body, b"\xff\xff", request_headers())
    assert rig.throttler.pending() == 1
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)


async def test_a_megabyte_of_headers_is_parked_like_any_other(rig, parked):
    """Cookies grow."""
    call = await parked(request_headers(cookie="c" * 1_000_000))
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)


async def test_handing_over_fails_the_stream_and_sends_nothing_before(rig, parked, caplog):
    """Envoy's retry policy takes a bare UNAVAILABLE to another server within the same chance; an
    empty message before it would cost the request a chance, and with the last one itself.
    """
    calls = [await parked() for _ in range(3)]
    rig.processor.hand_over()
    rig.throttler.drain()
    assert [grpc.StatusCode.UNAVAILABLE] * 3 == [await failure(call) for call in calls]
    assert caplog.records == []


async def test_who_comes_after_the_hand_over_is_handed_over_too(rig, envoy):
    """It was on its way when the server left."""
    rig.processor.hand_over()
    rig.throttler.drain()
    assert await failure(await envoy.ask(request_headers())) == grpc.StatusCode.UNAVAILABLE


async def test_requests_wait_until_it_is_known_what_is_managed(rig, envoy, eventually):
    """A hold server that has just started must not let a request go to a workload at zero."""
    rig.known.clear()
    call = await envoy.ask(request_headers())
    await asyncio.sleep(0)
    assert rig.throttler.pending() == 0
    rig.known.set()
    await eventually(lambda: rig.throttler.pending() == 1)
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(call)
