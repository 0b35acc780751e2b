"""The end of the process as it is run: what becomes of the parked, and what is told of them."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from feed.hold_servers import PORT_NAME
from feed.service import LOOK_SECONDS
from kube.resource import ENDPOINT_SLICES
from tests.extproc.fake_envoy import connected, failure, goes_on, request_headers
from tests.extproc.mesh.objects import endpoints
from tests.extproc.mesh.running import ANY, feed_at, health, is_serving
from tests.feed.feeds import ScriptedFeed, serving


async def pending(stream) -> int | None:
    """How many requests wait, by the next report; None at the end of the stream."""
    report = await stream.read()
    return None if report is grpc.aio.EOF else sum(each.pending for each in report.holds)


async def test_the_feed_ends_before_what_it_tells_of(api, running):
    """It never says that a request is over which is about to wait elsewhere."""
    async with connected(running.port) as envoy, feed_at(running.feed_port) as stream:
        call = await envoy.ask(request_headers())
        while not await pending(stream):
            pass
        running.stopping.set()
        while (told := await pending(stream)) is not None:
            assert 1 == told
        assert grpc.StatusCode.OK == await stream.code()
        assert not call.done()
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await running.stop()


@asynccontextmanager
async def beside(api, running, *, ready: bool, eventually):
    """Another hold server, which is ready or not, as the one that runs has heard."""
    feed = ScriptedFeed()
    async with serving(feed) as port:
        # Both are on this machine: each has a slice of its own, for its port.
        for name, each, condition in (("own", running.feed_port, True), ("other", port, ready)):
            item = endpoints("layby-extproc", condition, port=PORT_NAME, name=name)
            item["metadata"]["namespace"] = "layby-system"
            item["ports"][0]["port"] = each
            item["endpoints"][0]["addresses"] = ["127.0.0.1"]
            api.put(ENDPOINT_SLICES, item)
        await eventually(lambda: feed.streams)
        yield


@asynccontextmanager
async def parked_beside(api, running, *, ready, eventually):
    """An Envoy and a request of it that is parked and being woken for, beside another server."""
    async with (
        beside(api, running, ready=ready, eventually=eventually),
        connected(running.port) as envoy,
    ):
        call = await envoy.ask(request_headers())
        await eventually(lambda: api.replicas == 1)
        yield envoy, call


async def test_stopping_hands_over_what_is_parked_and_leaves_nothing(api, running, eventually):
    """Even in the middle of a wake: a successor goes on with it."""
    async with parked_beside(api, running, ready=True, eventually=eventually) as (_, call):
        running.stopping.set()
        assert grpc.StatusCode.UNAVAILABLE == await failure(call)
        await running.stop()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith(("wake", "watch", "pods", "ready"))]


@pytest.mark.parametrize("running", [{"drain_seconds": 3 * LOOK_SECONDS}], indirect=True)
async def test_the_feed_does_not_tell_that_what_is_handed_over_has_ended(api, running, eventually):
    """The other one tells of it only a moment later.

    The drain takes a while here, for somebody watches the health.
    """
    async with (
        beside(api, running, ready=True, eventually=eventually),
        connected(running.port) as envoy,
        feed_at(running.feed_port) as stream,
    ):
        watched = health(envoy).Watch(ANY)
        await watched.read()
        call = await envoy.ask(request_headers())
        while not await pending(stream):
            pass
        running.stopping.set()
        while (told := await pending(stream)) is not None:
            assert 1 == told
        assert grpc.StatusCode.UNAVAILABLE == await failure(call)
        await running.stop()


async def test_stopping_hands_over_to_nobody_who_is_not_ready(api, running, eventually):
    """Its streams would fail, and their requests with them: it waits for the workload itself."""
    async with parked_beside(api, running, ready=False, eventually=eventually) as (envoy, call):
        running.stopping.set()
        while await is_serving(envoy):
            pass
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(call)
        await running.stop()
