import asyncio

import pytest

from kube.backlog import Retry
from kube.errors import KubeError
from kube.queue import Queue

pytestmark = pytest.mark.looptime

STEADY = Retry(first_seconds=1.0, longest_seconds=8.0, random=lambda: 0.0)


class Work:
    """Work that takes its time, and notes when it begins."""

    def __init__(self) -> None:
        self.begun: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.most = 0
        self.seconds = 1.0
        self.outcomes: dict[str, list[float | Exception | None]] = {}

    async def __call__(self, key: str) -> float | None:
        """Do it."""
        assert key not in self.running
        self.begun.append((asyncio.get_running_loop().time(), key))
        self.running.append(key)
        self.most = max(self.most, len(self.running))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running.remove(key)
        outcome = (self.outcomes.get(key) or [None]).pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def work():
    return Work()


@pytest.fixture
async def queue(work):
    """A queue that runs."""
    queue = Queue("holds", work, workers=2, retry=STEADY)
    running = asyncio.create_task(queue.run())
    yield queue
    running.cancel()
    await asyncio.wait([running])


async def test_several_keys_are_worked_on_at_once_and_each_by_one(queue, work):
    """Two thousand holds must converge, and no two workers may write the same one."""
    for key in "abcab":
        queue.add(key)
    await asyncio.sleep(0.5)
    queue.add("a")
    await queue.idle()
    assert [(0.0, "a"), (0.0, "b"), (1.0, "c"), (1.0, "a")] == work.begun
    assert 2 == work.most


async def test_work_that_fails_is_tried_again_later_each_time(queue, work, caplog):
    """Until it works, and with the reason in the log."""
    work.seconds = 0.0
    work.outcomes["a"] = [KubeError(500, "InternalError", "no"), ValueError("bug"), None]
    queue.add("a")
    await asyncio.sleep(10)
    assert [0.0, 1.0, 3.0] == [time for time, _ in work.begun]
    assert "holds a: InternalError: no; again in 1.0 s" in caplog.text
    assert "holds a failed; again in 2.0 s" in caplog.text
    assert "ValueError: bug" in caplog.text
    assert 0 == queue.backlog.failures("a")


async def test_a_failing_key_does_not_hold_up_others(queue, work):
    """One broken hold in two thousand."""
    work.seconds = 0.0
    work.outcomes["a"] = [ValueError("bug")] * 9
    queue.add("a")
    await asyncio.sleep(0.5)
    queue.add("b")
    await queue.idle()
    assert (0.5, "b") == work.begun[-1]


async def test_the_server_is_left_alone_as_long_as_it_asks(queue, work):
    """Otherwise everyone comes back too early, and it never recovers."""
    work.seconds = 0.0
    work.outcomes["a"] = [KubeError(429, "TooManyRequests", "", retry_after=5.0)]
    queue.add("a")
    await asyncio.sleep(6)
    assert [0.0, 5.0] == [time for time, _ in work.begun]


async def test_work_says_when_to_look_again(queue, work):
    """Nothing tells that a workload has been idle for long enough, but time."""
    work.outcomes["a"] = [7.0]
    queue.add("a")
    await asyncio.sleep(20)
    assert [0.0, 8.0] == [time for time, _ in work.begun]


async def test_a_key_may_be_added_for_later(queue, work):
    """And is looked at earlier, once, if something happens."""
    queue.add_after("a", 5)
    await asyncio.sleep(1)
    queue.add("a")
    queue.add_after("b", 5)
    await asyncio.sleep(20)
    assert [(1.0, "a"), (6.0, "b")] == work.begun


async def test_what_is_due_waits_for_a_free_worker(queue, work):
    """And the loop does not spin meanwhile."""
    work.seconds = 10.0
    for key in "ab":
        queue.add(key)
    queue.add_after("c", 1)
    await asyncio.sleep(15)
    assert (10.0, "c") == work.begun[-1]


async def test_stopping_lets_the_work_that_goes_on_come_to_its_end(work):
    """A half-made change would be found by the next leader; better whole."""
    queue = Queue("holds", work, workers=1)
    for key in "ab":
        queue.add(key)
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0.5)
    queue.stop()
    await running
    assert [(0.0, "a")] == work.begun
    assert [] == work.running


async def test_cancelling_stops_the_work_and_another_run_finds_it(work):
    """The lease is lost: nothing may be written any more, and nothing is forgotten."""
    queue = Queue("holds", work, retry=STEADY)
    queue.add("a")
    for _ in range(2):
        running = asyncio.create_task(queue.run())
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.wait([running])
        assert [] == work.running
        assert 0 == queue.backlog.running
        await asyncio.sleep(5)
    assert [(0.0, "a"), (5.5, "a")] == work.begun
    assert "<Queue holds <Backlog 0 ready, 1 delayed, 0 running>>" == repr(queue)


async def test_a_queue_with_nothing_to_do_is_idle(queue):
    """Also before anything was added."""
    await queue.idle()
    queue.add_after("a", 100)
    await queue.idle()
