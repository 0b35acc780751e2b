import asyncio
from contextlib import asynccontextmanager

from feed.board import Board, HoldName, Share
from feed.listener import Listener
from feed.service import FeedService
from tests.feed.feeds import ScriptedFeed, report, serving

CART = HoldName("shop", "cart")


class Rig:
    """A listener, its board, and how often it said that something has changed."""

    def __init__(self) -> None:
        self.board = Board()
        self.changes = 0
        self.listener = Listener(self.board, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def pending(self) -> int:
        """Requests parked."""
        return self.board.total(CART).pending

    @property
    def complete(self) -> bool:
        """Whether all have been heard."""
        return self.board.complete(asyncio.get_running_loop().time())


def at(*ports: int) -> list[str]:
    """Addresses on this machine."""
    return [f"127.0.0.1:{port}" for port in ports]


@asynccontextmanager
async def listening():
    """A listener that runs, and in the end leaves no stream."""
    rig = Rig()
    task = asyncio.create_task(rig.listener.run(), name="listener")
    await asyncio.sleep(0)
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert not [each for each in asyncio.all_tasks() if each.get_name().startswith("feed ")]


async def test_it_hears_of_each_hold_server(eventually):
    """The sum is of all of them."""
    one, other = ScriptedFeed(), ScriptedFeed()
    async with serving(one) as a, serving(other) as b, listening() as rig:
        rig.listener.expect(at(a, b))
        one.say(report(pending=2, in_flight=5, rate=0.5, last_request_age_seconds=9))
        other.say(report(pending=1, in_flight=1, rate=0.25, last_request_age_seconds=3))
        await eventually(lambda: rig.pending == 3)
        total = rig.board.total(CART)
        assert Share(3, 6, 0.75, total.last_request) == total
        assert total.last_request is not None
        age = asyncio.get_running_loop().time() - total.last_request
        assert 3 <= age < 9, "the clocks of two machines have nothing in common"
        assert rig.complete


async def test_it_tells_of_every_report(eventually):
    """And of who is expected, for that alone may make the sum incomplete."""
    feed = ScriptedFeed()
    async with serving(feed) as port, listening() as rig:
        rig.listener.expect(at(port))
        assert 1 == rig.changes
        await eventually(lambda: rig.changes == 2)
        feed.say(report(pending=1))
        await eventually(lambda: rig.changes == 3)


async def test_expecting_the_same_again_opens_no_second_stream(eventually):
    """Slices change for many reasons."""
    feed = ScriptedFeed()
    async with serving(feed) as port, listening() as rig:
        for _ in range(3):
            rig.listener.expect(at(port))
        await eventually(lambda: rig.complete)
        assert 1 == feed.streams


async def test_a_hold_server_that_is_gone_is_left_alone(eventually):
    """Its part is no longer counted, and its stream is closed."""
    one, other = ScriptedFeed(), ScriptedFeed()
    async with serving(one) as a, serving(other) as b, listening() as rig:
        rig.listener.expect(at(a, b))
        one.say(report(pending=2))
        other.say(report(pending=1))
        await eventually(lambda: rig.pending == 3)
        rig.listener.expect(at(a))
        assert 2 == rig.pending
        await eventually(lambda: other.streams == 0)
        assert 1 == one.streams
        assert not rig.complete, "its Envoys have yet to tell another"


async def test_a_server_that_starts_again_is_heard_again(eventually):
    """At the same address, as after a crash."""
    async with listening() as rig:
        async with serving(ScriptedFeed()) as port:
            rig.listener.expect(at(port))
            await eventually(lambda: rig.complete)
        again = ScriptedFeed()
        async with serving(again, port):
            again.say(report(pending=7))
            await eventually(lambda: rig.pending == 7)


async def test_a_server_that_ends_its_stream_well_is_asked_again(eventually):
    """It drains, and another may be there at its address soon; what it said stands until then."""
    first = FeedService(lambda: {CART: Share(1, 1, 0.0, 0.0)}, int)
    async with listening() as rig:
        async with serving(first) as port:
            rig.listener.expect(at(port))
            await eventually(lambda: rig.pending == 1)
            first.close()
        assert 1 == rig.pending
        async with serving(FeedService(dict, int), port):
            await eventually(lambda: rig.pending == 0)


async def test_a_server_that_is_slow_to_start_is_heard_as_soon_as_it_is_there(eventually):
    """A pod has its address long before it listens: gRPC would wait longer after each failure,
    up to two minutes, in which no workload could be put to sleep.
    """
    async with serving(ScriptedFeed()) as port:
        pass
    async with listening() as rig:
        rig.listener.expect(at(port))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await eventually(lambda: loop.time() - began > 1.2)
        feed = ScriptedFeed()
        async with serving(feed, port):
            await eventually(lambda: rig.complete, within=1.5)


async def test_what_is_expected_before_it_runs_is_only_noted():
    """No stream may be without an owner."""
    rig = Rig()
    rig.listener.expect(at(1))
    assert 1 == rig.changes
    assert not rig.complete
    (replica,) = at(1)
    rig.board.hear(replica, {}, 60.0, 0.0, log_streams=1)
    assert rig.board.complete(0.0)
