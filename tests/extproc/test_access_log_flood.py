"""Somebody who reaches the port sends access logs as fast as they can: over real gRPC."""

import asyncio
import time
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogCommon, HttpAccessLogEntry

from extproc.access_log import AT_ONCE, LAST_MESSAGES, AccessLog
from extproc.app import HoldServer
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.server import Server
from extproc.wire.access_log import LONGEST_MESSAGE
from extproc.wire.gen.als_pb2 import StreamAccessLogsMessage
from tests.extproc.fake_envoy import CLUSTER, connected, goes_on, request_headers
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.log_entries import PERIODIC, START, entry, message

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
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


@pytest.mark.parametrize("number", [1, LAST_MESSAGES])
async def test_what_a_stream_has_said_before_it_is_ended_counts(eventually, caplog, number):
    """It has been received already, and its Envoy will not say it again: requests were missed."""
    async with receiving(most_streams=1) as (log, envoy):
        silent = await envoy.log()
        await eventually(lambda: log.streams == 1)
        async with log._turn:
            for n in range(number):
                await silent.write(made_up(1, n))
            await envoy.log()
            await eventually(lambda: log.streams == 2)
        assert await taken_in(silent)
        assert number == log.demand(CART, 0).requests
        await envoy.log()
        await eventually(lambda: log.streams == 3)
    assert 1 == caplog.text.count("1 streams of access logs are open"), "not for each of them"


async def test_a_stream_that_is_ended_does_not_go_on_by_talking(eventually):
    """The bound would be none."""
    async with receiving(most_streams=1) as (log, envoy):
        call = await envoy.log(made_up(1))
        await eventually(lambda: log.streams == 1)
        async with log._turn:
            for n in range(10 * LAST_MESSAGES):
                await call.write(made_up(1, n))
            await envoy.log()
            await eventually(lambda: log.streams == 2)
        assert await taken_in(call)
        assert log.demand(CART, 0).requests <= LAST_MESSAGES + 2


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


@asynccontextmanager
async def serving():
    """A whole hold server, one Envoy of which has a request parked, and somebody else."""
    server = HoldServer(FakeWaker(), {CLUSTER: CART}.get, max_pending=10, settle=0.0)
    port = await server.start("127.0.0.1:0")
    await server.ready()
    server.replace({CART: Workload(CART, Hold(timeout=30.0))})
    async with connected(port) as envoy, connected(port) as other:
        yield server, await envoy.ask(request_headers()), other
    await server.drain(0, hand_over=False)


async def longest_turn(until):
    """The CPU seconds that all else did not leave the loop for, until then."""
    longest = 0.0
    while not until.done():
        before = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - before)
    return longest


def empty_entries(size):
    """A message of so many bytes, with as many entries as it can have."""
    logs = StreamAccessLogsMessage()
    for _ in range(size // 2):
        logs.http_logs.log_entry.add()
    return logs.SerializeToString()


@pytest.mark.parametrize("size", [LONGEST_MESSAGE - 10, 4_000_000], ids=["read", "left out"])
async def test_entries_that_say_nothing_starve_no_parked_request(eventually, caplog, size):
    """Two million of them fit into what gRPC takes: they were seconds in which nobody is served."""
    async with serving() as (server, parked, other):
        await eventually(lambda: server.throttler.pending(CART) == 1)
        call = await other.log(*[empty_entries(size)] * 3, made_up(1))
        await call.done_writing()
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(taken_in(call))
            assert await longest_turn(ended) < 0.05
        assert 1 == server.demand(CART).requests, "the stream goes on"
        server.throttler.endpoints_changed(CART, 1)
        assert await goes_on(parked)
    told = caplog.text.count("left out an access log message of")
    assert told == (size > LONGEST_MESSAGE), "once, not for each"


async def test_a_flood_of_entries_starves_no_parked_request(eventually):
    """Reading a message of Envoy's takes no time, but that of somebody else may take seconds."""
    async with serving() as (server, parked, other):
        await eventually(lambda: server.throttler.pending(CART) == 1)
        shortest = AccessLogCommon(access_log_type=START, upstream_cluster=CLUSTER)
        one = message(HttpAccessLogEntry(common_properties=shortest))
        # Messages that are put behind one another are one.
        number = LONGEST_MESSAGE // len(one)
        calls = [await other.log(*[one * number] * 3) for _ in range(32)]
        await eventually(lambda: server.demand(CART).requests)
        before = server.demand(CART).requests
        server.throttler.endpoints_changed(CART, 1)
        assert await goes_on(parked)
        meanwhile = server.demand(CART).requests - before
        for call in calls:
            call.cancel()
    assert meanwhile < number / 2, "it waited for a message to end"


@pytest.mark.parametrize("number", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_messages_of_any_length_are_taken_in_whole(number):
    """A turn may end in the middle of one, or just behind it."""
    async with receiving() as (log, envoy):
        call = await envoy.log(made_up(number), made_up(number, number))
        await call.done_writing()
        assert await taken_in(call)
        assert 2 * number == log.demand(CART, 0).in_flight
