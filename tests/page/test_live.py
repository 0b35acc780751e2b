"""Who is told, when, and what that costs."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from page.live import HEARTBEAT, HEARTBEAT_SECONDS, Live, UnavailableError
from tests.page.conftest import snapshot, workload


class Scene:
    """A workload whose number of parked requests the test sets."""

    def __init__(self):
        self.parked = 0
        self.broken = False
        self.live = Live(self.look, tick=0.01)

    def look(self):
        if self.broken:
            raise RuntimeError("broken")
        return snapshot(workload(parked=self.parked))


@asynccontextmanager
async def scene():
    made = Scene()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.live.run(), name="page")
        yield made
        running.cancel()


async def changed(events):
    """The next event that is no heartbeat."""
    while (event := await anext(events)) == HEARTBEAT:
        pass
    return event


async def test_nothing_is_rendered_while_nobody_looks():
    """A controller has more to do."""
    async with scene() as made:
        await asyncio.sleep(0.05)
        assert 0 == made.live.renderings
        await made.live.latest()
        async with aclosing(made.live.events()) as events:
            await anext(events)
        done = made.live.renderings
        await asyncio.sleep(0.1)
        assert made.live.renderings <= done + 1, "one may be on its way"


async def test_many_share_one_rendering():
    async with scene() as made:
        first, *others = await asyncio.gather(*(made.live.latest() for _ in range(50)))
        assert 1 == made.live.renderings
        assert all(each is first for each in others)


async def test_a_change_is_told_to_everybody_and_no_change_to_nobody():
    async with (
        scene() as made,
        aclosing(made.live.events()) as one,
        aclosing(made.live.events()) as other,
    ):
        assert b">0</td>" in await anext(one)
        await anext(other)
        done = made.live.renderings
        waiting = asyncio.create_task(anext(one))
        while made.live.renderings < done + 3:
            await asyncio.sleep(0)
        assert not waiting.done(), "it is the same"
        made.parked = 7
        assert b">7</td>" in await waiting
        assert b">7</td>" in await changed(other)


async def test_a_slow_viewer_gets_the_latest_and_not_all_that_it_missed():
    """What waits for somebody who does not come is memory that grows."""
    async with scene() as made, aclosing(made.live.events()) as slow:
        await anext(slow)
        async with aclosing(made.live.events()) as quick:
            await anext(quick)
            for number in range(1, 20):
                made.parked = number
                assert f">{number}</td>".encode() in await changed(quick)
        assert b">19</td>" in await changed(slow)


@pytest.mark.looptime
async def test_a_quiet_page_has_a_heartbeat(monkeypatch):
    """A proxy cuts what says nothing, and a viewer that has gone is noticed by writing to it."""

    async def at_once(work, _):
        return work()

    monkeypatch.setattr("page.live.apart", at_once)
    async with scene() as made, aclosing(made.live.events()) as events:
        await anext(events)
        began = asyncio.get_running_loop().time()
        assert HEARTBEAT == await anext(events)
        assert HEARTBEAT_SECONDS == pytest.approx(
            asyncio.get_running_loop().time() - began, abs=0.1
        )


async def test_nothing_is_rendered_for_a_viewer_that_takes_its_time():
    """It will ask when it has sent what it has."""
    async with scene() as made, aclosing(made.live.events()) as slow:
        with made.live.viewer():
            await anext(slow)
            await asyncio.sleep(0.05)
            assert 1 == made.live.renderings


def test_a_viewer_gives_its_place_back_however_it_ends():
    live = Scene().live

    def look_on():
        with live.viewer():
            assert 1 == live.viewers
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        look_on()
    assert 0 == live.viewers


async def test_what_cannot_be_rendered_harms_nobody_else(caplog):
    """Whoever serves the page must not end with it, and it comes back."""
    async with scene() as made:
        made.broken = True
        with pytest.raises(UnavailableError):
            await made.live.latest()
        assert "cannot be rendered" in caplog.text
        made.broken = False
        assert b"cart" in (await made.live.latest()).page


async def test_closing_ends_every_wait():
    """A process that stops does not wait for those who look on."""
    async with scene() as made, aclosing(made.live.events()) as events:
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        made.live.close()
        with pytest.raises(UnavailableError):
            await waiting
        await asyncio.sleep(0.02)
        with pytest.raises(UnavailableError):
            await made.live.latest()
