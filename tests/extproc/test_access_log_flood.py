"""Somebody who reaches the port sends access logs as fast as they can: over real gRPC."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogCommon, HttpAccessLogEntry

from extproc.access_log import AT_ONCE, AccessLog
from extproc.app import HoldServer
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.server import Server
from extproc.wire.gen.als_pb2 import StreamAccessLogsMessage
from tests.extproc.fake_envoy import CLUSTER, connected, goes_on, request_headers
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.test_access_log import PERIODIC, START, entry, message

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
MANY = 60_000
BOOK_CLUSTER = "outbound|80||book.shop.svc.cluster.local"


def made_up(number, first=0, cluster=CLUSTER, kind=START):
    """A message with so many entries of as many requests, which nobody has sent."""
    one = StreamAccessLogsMessage.FromString(message(entry(kind))).http_logs.log_entry[0]
    one.common_properties.upstream_cluster = cluster
    one.common_properties.custom_tags.clear()
    logs = StreamAccessLogsMessage()
    for n in range(first, first + number):
        one.request.request_id = f"{cluster}/{n}"
        logs.http_logs.log_entry.append(one)
    return logs.SerializeToString()


@asynccontextmanager
async def receiving(**bounds):
    """A receiver for two workloads, and an Envoy that logs to it."""
    log = AccessLog({CLUSTER: CART, BOOK_CLUSTER: BOOK}.get, **bounds)
    log.replace({key: Workload(key) for key in (CART, BOOK)})
    server = Server([log.handler()])
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with connected(port) as envoy:
        yield log, envoy
    await server.stop(1)


async def taken_in(call):
    """Whether the stream was ended well, which is when all of it has been taken in."""
    async with asyncio.timeout(20):
        assert await call.read() == b""
        return await call.code() == grpc.StatusCode.OK


async def test_a_flood_of_entries_has_a_bound_and_harms_no_other_workload():
    """The ids of open requests are kept, and somebody else chooses how many there are."""
    async with receiving(most_open=1000) as (log, envoy):
        call = await envoy.log(
            made_up(20, cluster=BOOK_CLUSTER), *[made_up(500, 500 * n) for n in range(40)]
        )
        await call.done_writing()
        assert await taken_in(call)
        assert 20 == log.demand(BOOK, 0).in_flight
        assert 900 < log.demand(CART, 0).in_flight <= 1000 - 20 + AT_ONCE
        assert 20_000 == log.demand(CART, 0).requests, "they are demand all the same"


async def test_an_open_request_that_was_forgotten_is_known_again_with_its_next_entry():
    """Under a flood a workload must not look idle to which somebody has a stream open."""
    async with receiving(most_open=100) as (log, envoy):
        call = await envoy.log(made_up(1000), made_up(1, cluster=BOOK_CLUSTER), made_up(1000, 1000))
        await call.write(message(entry(PERIODIC, "s1")))
        await call.done_writing()
        assert await taken_in(call)
        assert "s1" in {stream.partition("/")[0] for stream in log._windows[CART]._open}
        assert 1 == log.demand(BOOK, 0).in_flight


async def test_one_stream_too_many_ends_the_one_that_has_been_silent_longest(eventually):
    """An Envoy with nothing to say loses nothing by that, and opens the next with its next entry;
    if new ones were refused, its requests would not be known.
    """
    async with receiving(most_streams=3) as (log, envoy):
        calls = []
        for n in range(3):
            calls.append(await envoy.log(made_up(1, n)))
            await eventually(lambda n=n: log.demand(CART, 0).requests == n + 1)
        await calls[0].write(made_up(1, 3))
        await eventually(lambda: log.demand(CART, 0).requests == 4)
        await envoy.log(made_up(1, 4))
        assert await taken_in(calls[1])
        for call in (calls[0], calls[2]):
            await call.write(made_up(1, 5))
        await eventually(lambda: log.demand(CART, 0).requests == 7)
        assert 3 == len(log._streams)


async def test_a_flood_of_streams_has_a_bound(eventually):
    """Each takes 26 kB, for as long as somebody leaves it open."""
    async with receiving(most_streams=20) as (log, envoy):
        calls = [await envoy.log() for _ in range(500)]
        await eventually(lambda: log.streams == 500, within=20)
        assert 20 == len(log._streams)
        for call in calls[:-20]:
            assert await taken_in(call)
        for call in calls[-20:]:
            await call.done_writing()
            assert await taken_in(call)
        assert 0 == len(log._streams)


async def test_a_flood_of_entries_starves_no_parked_request(eventually):
    """Reading a message of Envoy's takes no time, but that of somebody else may take seconds."""
    server = HoldServer(FakeWaker(), {CLUSTER: CART}.get, max_pending=10, settle=0.0)
    port = await server.start("127.0.0.1:0")
    await server.ready()
    server.replace({CART: Workload(CART, Hold(timeout=30.0))})
    async with connected(port) as envoy, connected(port) as other:
        parked = await envoy.ask(request_headers())
        await eventually(lambda: server.throttler.pending(CART) == 1)
        shortest = AccessLogCommon(access_log_type=START, upstream_cluster=CLUSTER)
        # Messages that are put behind one another are one; 4 MiB is the longest that gRPC takes.
        much = message(HttpAccessLogEntry(common_properties=shortest)) * MANY
        calls = [await other.log(much) for _ in range(32)]
        await eventually(lambda: server.demand(CART).requests)
        before = server.demand(CART).requests
        server.throttler.endpoints_changed(CART, 1)
        assert await goes_on(parked)
        meanwhile = server.demand(CART).requests - before
        for call in calls:
            call.cancel()
    await server.drain(0, hand_over=False)
    assert meanwhile < MANY / 2, "it waited for a message to end"


@pytest.mark.parametrize("number", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_messages_of_any_length_are_taken_in_whole(number):
    """A turn may end in the middle of one, or just behind it."""
    async with receiving() as (log, envoy):
        call = await envoy.log(made_up(number), made_up(number, number))
        await call.done_writing()
        assert await taken_in(call)
        assert 2 * number == log.demand(CART, 0).in_flight
