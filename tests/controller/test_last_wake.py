from datetime import UTC, datetime, timedelta

import pytest

from controller.last_wake import last_wake
from crds.v1alpha1.traffichold import LastWake, WakeOutcome

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUCCEEDED, FAILED, TIMED_OUT = WakeOutcome.SUCCEEDED, WakeOutcome.FAILED, WakeOutcome.TIMED_OUT


def wake(begun=0.0, seconds=7.5, outcome=SUCCEEDED):
    """Make a wake that began so many seconds after others."""
    return LastWake(at=BEGAN + timedelta(seconds=begun), duration=seconds, outcome=outcome)


def test_it_is_told_as_it_will_be_read_back():
    """Else it would be another one at each look, and be written again and again."""
    written = last_wake(None, wake(0.75, 1.23456))
    assert wake(0, 1.235) == written
    assert written == last_wake(written, wake(0.75, 1.23456))


def test_nothing_new_leaves_what_was_told():
    """Hold servers forget; the status does not."""
    assert last_wake(None, None) is None
    assert wake() == last_wake(wake(), None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (wake(-1, 8.5), wake()),
        (wake(3, 4.4), wake()),
        (wake(8.4, 0.1), wake()),
        (wake(100), wake(100)),
        (wake(100, 1, FAILED), wake(100, 1, FAILED)),
        (wake(-100), wake()),
        (wake(1, 60, TIMED_OUT), wake()),
    ],
    ids=["earlier", "later", "a-second-unwritten", "next", "failed", "before", "given-up"],
)
def test_one_wake_is_told_once_whichever_of_its_witnesses_speaks(told, expected):
    """Both hold servers had requests for it, and each may be gone at any moment."""
    assert expected == last_wake(wake(), told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (wake(8, 7), wake(1, 14)),
        (wake(0.5, 14.5), wake(0, 14.5)),
        (wake(-0.5, 15.5), wake(-1, 15.5)),
    ],
)
def test_a_wake_that_was_given_up_and_became_ready_after_all_is_told_again(told, expected):
    """The request at one hold server had less patience left than that at the other."""
    given_up = wake(0, 10, TIMED_OUT)
    ready = last_wake(given_up, told)
    assert expected == ready
    assert ready == last_wake(ready, told)
    assert ready == last_wake(ready, given_up)


def test_two_wakes_within_a_second_are_two_if_the_first_is_remembered_as_it_was_told():
    """A status has whole seconds, and somebody asks how long the second one took."""
    first, second = wake(0.9, 2.5), wake(3.45, 1)
    written = last_wake(None, first)
    assert written == last_wake(written, second)
    assert wake(3, 1) == last_wake(written, second, first)
    # What was told of another one is of no use.
    assert written == last_wake(written, second, wake(-100))
    assert written == last_wake(written, wake(1.5, 1.9), first)
