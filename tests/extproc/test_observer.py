"""What is told of each request, for whoever counts and traces: one ending, however it ends."""

import asyncio
from typing import NamedTuple

import pytest

from extproc.core.backend import Ticket
from extproc.core.hold import READY, RELEASED, UNMANAGED, HoldQueue
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import ProbeRule, Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey
from extproc.throttler import ABANDONED, Throttler
from tests.extproc.fake_waker import FakeWaker

pytestmark = pytest.mark.looptime

CART = WorkloadKey("shop", "cart")
SECOND = Chance(2, 3)


class Ending(NamedTuple):
    """One call of `ended`."""

    key: WorkloadKey
    verdict: Verdict
    held: float
    ticket: Ticket | None
    trace: Request


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, Chance, int]] = []
        self.traces: list[Request] = []
        self.endings: list[Ending] = []

    def parked(self, ticket: Ticket, chance: Chance, position: int, trace: Request) -> None:
        self.begun.append((ticket.id, chance, position))
        self.traces.append(trace)

    def ended(
        self,
        key: WorkloadKey,
        verdict: Verdict,
        held: float,
        ticket: Ticket | None,
        trace: Request,
    ) -> None:
        self.endings.append(Ending(key, verdict, held, ticket, trace))

    @property
    def outcomes(self) -> list[Outcome]:
        """How requests ended; asserts that each that was parked did so once."""
        ended = [ending.ticket.id for ending in self.endings if ending.ticket]
        assert sorted(number for number, _, _ in self.begun) == sorted(ended)
        return [ending.verdict.outcome for ending in self.endings]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def waker():
    return FakeWaker()


@pytest.fixture
def throttler(notes, waker):
    throttler = Throttler(HoldQueue(max_pending=100, settle=Settle(first=0.0)), waker, notes)
    probes = (ProbeRule(path="/healthz"),)
    throttler.replace({CART: Workload(CART, Hold(timeout=10.0, max_pending=4), probes)})
    return throttler


async def park(throttler: Throttler, count: int = 1):
    """Let `count` requests come; return their tasks, parked."""
    holds = [throttler.hold(CART, Request(), SECOND) for _ in range(count)]
    tasks = [asyncio.create_task(hold) for hold in holds]
    await asyncio.sleep(0)
    return tasks


async def test_a_parked_request_is_told_of_twice(throttler, notes):
    """Where it stood in line, and how long it took: the two numbers of every dashboard."""
    tasks = await park(throttler, 2)
    assert [(1, SECOND, 1), (2, SECOND, 2)] == notes.begun
    assert [] == notes.endings
    await asyncio.sleep(3)
    throttler.endpoints_changed(CART, 1)
    await asyncio.gather(*tasks)
    assert [Outcome.RELEASED] * 2 == notes.outcomes
    assert [(CART, RELEASED)] * 2 == [(ending.key, ending.verdict) for ending in notes.endings]
    assert pytest.approx([3.0, 3.005]) == [ending.held for ending in notes.endings]


@pytest.mark.parametrize(
    ("key", "path", "expected"),
    [
        (CART, "/", READY),
        (CART, "/healthz", Verdict(Outcome.PROBED, Cause.PROBE, status=200)),
        (WorkloadKey("shop", "stranger"), "/", UNMANAGED),
    ],
    ids=["ready", "probed", "unmanaged"],
)
async def test_one_that_need_not_wait_has_an_ending_only(throttler, notes, key, path, expected):
    """It was never parked."""
    throttler.endpoints_changed(CART, 1)
    request = Request("GET", path)
    await throttler.hold(key, request, Chance())
    assert ([], [Ending(key, expected, 0.0, None, request)]) == (notes.begun, notes.endings)


async def test_one_that_is_shed_has_an_ending_only(throttler, notes):
    """Nor was this one."""
    tasks = await park(throttler, 5)
    assert [(Outcome.SHED, None)] == [(e.verdict.outcome, e.ticket) for e in notes.endings]
    throttler.replace({})
    await asyncio.gather(*tasks)
    assert [Outcome.SHED] + [Outcome.UNMANAGED] * 4 == notes.outcomes


async def test_each_verdict_is_told_as_the_client_is_told(throttler, notes, waker):
    """One ending each, in the very words of the answer."""
    (expired,) = await park(throttler)
    verdicts = [await expired]
    (hopeless,) = await park(throttler)
    throttler.start_failed(CART, "exit 1")
    verdicts.append(await hopeless)
    await asyncio.sleep(5)
    waker.act = lambda key: throttler.endpoints_changed(key, 1)
    verdicts.append(await throttler.hold(CART, Request(), SECOND))
    throttler.endpoints_changed(CART, 0)
    waker.act = None
    (drained,) = await park(throttler)
    throttler.drain()
    verdicts.append(await drained)
    assert [Outcome.EXPIRED, Outcome.HOPELESS, Outcome.RELEASED, Outcome.DRAINED] == notes.outcomes
    assert verdicts == [ending.verdict for ending in notes.endings]


async def test_a_client_that_leaves_is_told_of(throttler, notes):
    """Impatience is what nobody complains of, and everybody has to know."""
    (task,) = await park(throttler)
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert [Outcome.ABANDONED] == notes.outcomes
    assert (CART, ABANDONED, 2.0) == notes.endings[0][:3]


@pytest.mark.parametrize("released_first", [True, False])
async def test_one_that_leaves_as_it_is_released_has_left(throttler, notes, released_first):
    """Nobody heard the answer; and it is one ending, not two."""
    (task,) = await park(throttler)
    if released_first:
        throttler.endpoints_changed(CART, 1)
    task.cancel()
    throttler.endpoints_changed(CART, 1)
    await asyncio.wait([task])
    assert [Outcome.ABANDONED] == notes.outcomes


async def test_the_trace_is_told_with_both(throttler, notes):
    """It is kept for the end, and looked at once at the beginning."""
    request = Request(traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="k=v")
    holding = asyncio.create_task(throttler.hold(CART, request, SECOND))
    await asyncio.sleep(0)
    throttler.endpoints_changed(CART, 1)
    await holding
    assert [request] == notes.traces == [ending.trace for ending in notes.endings]


async def test_one_whose_waker_breaks_has_an_ending_too(throttler, notes, waker):
    """A gauge that only rises is no gauge."""

    def fail(key: WorkloadKey) -> None:
        raise ZeroDivisionError(key)

    waker.act = fail
    with pytest.raises(ZeroDivisionError):
        await throttler.hold(CART, Request(), SECOND)
    assert [Outcome.ABANDONED] == notes.outcomes
