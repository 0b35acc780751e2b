"""Which wakes are remembered."""

from page.history import KEPT, History
from page.snapshot import Name, Outcome
from tests.page.conftest import wake

CART = Name("shop", "cart")


def test_the_latest_come_first_and_only_few_are_kept():
    history = History()
    for number in range(KEPT + 3):
        history.saw(CART, wake(at=100.0 * number))
    assert [700.0, 600.0, 500.0, 400.0, 300.0] == [each.at for each in history.of(CART)]


def test_one_wake_told_twice_is_one():
    """Each hold server has its own story of it."""
    history = History()
    history.saw(CART, wake(at=100.0, outcome=Outcome.TIMED_OUT))
    history.saw(CART, wake(at=100.5))
    assert [wake(at=100.5)] == list(history.of(CART))


def test_old_news_is_none():
    history = History()
    history.saw(CART, wake(at=100.0))
    history.saw(CART, wake(at=50.0))
    assert [wake(at=100.0)] == list(history.of(CART))


def test_workloads_that_are_gone_are_forgotten():
    history = History()
    history.saw(CART, wake())
    history.retain({Name("shop", "other")})
    assert () == history.of(CART)
    assert {} == history._wakes
