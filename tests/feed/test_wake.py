import pytest

from feed.wake import Wake, WakeOutcome, last_wake

READY, FAILED, LATE = WakeOutcome.SUCCEEDED, WakeOutcome.FAILED, WakeOutcome.TIMED_OUT


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([Wake(10, 3, READY)], Wake(10, 3, READY), id="seen by one"),
        pytest.param(
            [Wake(10, 3, READY), Wake(99, 2, FAILED)], Wake(99, 2, FAILED), id="the latest"
        ),
        pytest.param(
            [Wake(10, 3, READY), Wake(11, 3, READY)], Wake(10, 3, READY), id="seen by both"
        ),
        pytest.param(
            [Wake(10, 10, LATE), Wake(18, 7, READY)], Wake(10, 15, READY), id="ready after all"
        ),
        pytest.param(
            [Wake(10, 10, LATE), Wake(12, 7, READY)], Wake(10, 9, READY), id="noticed too late"
        ),
        pytest.param(
            [Wake(10, 10, LATE), Wake(15, 7, FAILED)], Wake(10, 12, FAILED), id="given up"
        ),
        pytest.param([Wake(10, -3, LATE)], Wake(10, -3, LATE), id="of no sensible length"),
    ],
)
def test_the_last_wake_is_one_whoever_saw_it(seen, expected):
    """Envoys take the requests for one workload to any hold server."""
    assert expected == last_wake(seen)
    assert expected == last_wake(seen[::-1])


def test_without_any_wake_there_is_no_last_one():
    """It may have been up all along."""
    assert last_wake([]) is None
