import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import grpc
import pytest

from feed.board import HoldName, Share
from feed.feed_pb2 import Report, WatchRequest
from feed.service import (
    HEARTBEAT_SECONDS,
    LOOK_SECONDS,
    SERVICE,
    SHARED_SECONDS,
    FeedService,
)
from tests.feed.feeds import serving

CART = HoldName("shop", "cart")
ON_A_CLOCK = pytest.mark.looptime


class Said:
    """What a service says to one listener, and when."""

    def __init__(self) -> None:
        self.shares: dict[HoldName, Share] = {}
        self.log_streams = 0
        self.reports: list[tuple[float, Report]] = []

    async def listen(self, service: FeedService) -> None:
        context: Any = None
        async for report in service.watch(WatchRequest(), context):
            self.reports.append((asyncio.get_running_loop().time(), report))

    @property
    def times(self) -> list[float]:
        """When something was said."""
        return [at for at, _ in self.reports]


@asynccontextmanager
async def listening():
    """A service with one listener."""
    said = Said()
    service = FeedService(lambda: dict(said.shares), lambda: said.log_streams)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(said.listen(service), name="listener")
        yield service, said
        service.close()


@ON_A_CLOCK
async def test_it_says_at_once_that_there_is_nothing():
    """That there is no demand is worth as much as that there is some."""
    async with listening() as (_, said):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [Report(account_age_seconds=0.0)] == [report for _, report in said.reports]


@ON_A_CLOCK
async def test_while_nothing_changes_it_says_so_now_and_then():
    """Silence is how a listener tells one that is cut off."""
    async with listening() as (_, said):
        await asyncio.sleep(3 * HEARTBEAT_SECONDS + LOOK_SECONDS)
    assert pytest.approx([0.0, 2.0, 4.0, 6.0]) == said.times
    ages = [report.account_age_seconds for _, report in said.reports]
    assert pytest.approx(said.times) == ages


@ON_A_CLOCK
async def test_a_change_is_said_soon_and_whole():
    """The first parked request must not wait for a heartbeat to be heard of."""
    async with listening() as (_, said):
        await asyncio.sleep(1.1)
        said.shares[CART] = Share(2, 3, 0.5, asyncio.get_running_loop().time() - 1)
        await asyncio.sleep(0.3)
    (_, _), (at, report) = said.reports
    assert 1.1 < at <= 1.1 + LOOK_SECONDS
    (demand,) = report.holds
    assert ("shop", "cart", 2, 3, 0.5) == (
        demand.namespace,
        demand.name,
        demand.pending,
        demand.in_flight,
        demand.rate,
    )
    assert pytest.approx(at - 0.1) == demand.last_request_age_seconds


@ON_A_CLOCK
async def test_a_hold_without_a_request_is_left_out():
    """There is nothing to tell of it."""
    async with listening() as (_, said):
        said.shares[CART] = Share()
        await asyncio.sleep(0.1)
    assert [] == list(said.reports[0][1].holds)


@ON_A_CLOCK
async def test_what_cannot_wait_is_said_at_once():
    """An autoscaler would take back to zero what has just been woken."""
    async with listening() as (service, said):
        await asyncio.sleep(1.01)
        said.shares[CART] = Share(last_request=1.0, waking=True)
        service.look()
        await asyncio.sleep(0.001)
    assert pytest.approx(1.01) == said.times[-1]
    assert said.reports[-1][1].holds[0].waking


@ON_A_CLOCK
async def test_many_listeners_cost_hardly_more_than_one():
    """Every hold server and every controller listens, and a look at a thousand holds takes time
    that the requests wait for.
    """
    looks = 0

    def shares():
        nonlocal looks
        looks += 1
        return {CART: Share(looks, last_request=0.0)}

    service = FeedService(shares, int)
    listeners = [Said() for _ in range(8)]
    async with asyncio.TaskGroup() as tasks:
        for each in listeners:
            tasks.create_task(each.listen(service), name="listener")
            await asyncio.sleep(0.03)
        await asyncio.sleep(10)
        service.close()
    assert looks <= 11 / SHARED_SECONDS
    for each in listeners:
        gaps = [b - a for a, b in pairwise(each.times)]
        assert max(gaps) < LOOK_SECONDS + SHARED_SECONDS


async def test_closing_ends_every_stream_well():
    """A listener then comes back at once, to whichever server takes over."""
    service = FeedService(dict, int)
    async with (
        serving(service) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        watch: Any = channel.unary_stream(
            f"/{SERVICE}/Watch",
            request_serializer=WatchRequest.SerializeToString,
            response_deserializer=Report.FromString,
        )
        calls = [watch(WatchRequest()) for _ in range(3)]
        for call in calls:
            assert isinstance(await call.read(), Report)
        service.close()
        async with asyncio.timeout(5):
            assert [grpc.StatusCode.OK] * 3 == [await call.code() for call in calls]
            late = watch(WatchRequest())
            assert grpc.aio.EOF is await late.read()
            assert grpc.StatusCode.OK == await late.code()
