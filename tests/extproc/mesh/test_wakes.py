import time

import pytest

from extproc.mesh.wakes import Wakes
from feed.board import HoldName
from feed.wake import WakeOutcome

CART = HoldName("shop", "cart")


@pytest.fixture
def told():
    """Of which holds the listener was told."""
    return []


@pytest.fixture
async def wakes(told):
    """Nothing is being woken."""
    wakes = Wakes()
    wakes.subscribe(told.append)
    return wakes


async def test_a_wake_begins_with_the_first_request_that_finds_zero(wakes, told):
    """A thousand come while it goes on."""
    before = time.time()
    wakes.begun(CART)
    wakes.begun(CART)
    assert wakes.is_waking(CART)
    assert [CART] == told
    wakes.ended(CART, WakeOutcome.SUCCEEDED)
    assert not wakes.is_waking(CART)
    last = wakes.last(CART)
    assert before <= last.at <= time.time()
    assert last.duration >= 0
    assert WakeOutcome.SUCCEEDED == last.outcome
    assert [CART, CART] == told


async def test_what_goes_on_for_no_wake_ends_none(wakes, told):
    """An endpoint becomes ready whenever somebody scales, too."""
    wakes.ended(CART, WakeOutcome.SUCCEEDED)
    assert wakes.last(CART) is None
    assert [] == told


async def test_the_first_ending_counts(wakes):
    """It became ready, and then nobody waits any more."""
    wakes.begun(CART)
    wakes.ended(CART, WakeOutcome.SUCCEEDED)
    wakes.ended(CART, WakeOutcome.TIMED_OUT)
    assert WakeOutcome.SUCCEEDED == wakes.last(CART).outcome


async def test_a_hold_that_is_gone_is_forgotten(wakes):
    """Another of its name has had no wake yet."""
    wakes.begun(CART)
    wakes.ended(CART, WakeOutcome.FAILED, "no such image")
    assert "no such image" == wakes.last(CART).reason
    wakes.forget(CART)
    assert wakes.last(CART) is None


async def test_a_wake_for_a_hold_that_goes_ends_unheard(wakes, told):
    """Its requests leave in a minute; another hold of its name has had no wake by then."""
    wakes.begun(CART)
    wakes.forget(CART)
    assert not wakes.is_waking(CART)
    assert [CART, CART] == told
    wakes.ended(CART, WakeOutcome.TIMED_OUT)
    assert wakes.last(CART) is None
