import pytest

from extproc.core.coldstart import BACKOFF_CEILING, FIRST_GUESS, REMEMBERED, ColdStarts


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], FIRST_GUESS),
        ([3.0], 3.0),
        ([1.0, 9.0], 9.0),
        ([float(n) for n in range(1, 11)], 9.0),
        ([float(n) for n in range(10, 0, -1)], 9.0),
        ([float(n) for n in range(1, 21)], 18.0),
        ([100.0] * REMEMBERED + [2.0] * REMEMBERED, 2.0),
    ],
    ids=["none", "one", "two", "ten", "ten descending", "twenty", "old ones forgotten"],
)
def test_the_next_start_takes_what_nine_of_ten_recent_ones_took(durations, expected):
    """Retry-After is a promise: a mean would break it for half of the clients."""
    starts = ColdStarts()
    for duration in durations:
        starts.succeeded(duration)
    assert expected == starts.expected


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [(0.0, FIRST_GUESS), (2.0, FIRST_GUESS - 2.0), (FIRST_GUESS, 1.0), (3600.0, 1.0)],
)
def test_retry_after_is_what_remains_of_the_start_but_a_second_at_least(elapsed, expected):
    """A client told to come back in 0 s hammers the queue that has just refused it."""
    assert expected == ColdStarts().retry_after(elapsed)


def test_failed_starts_back_off_until_one_succeeds():
    """A workload that cannot start must not be restarted at the rate of its requests."""
    starts = ColdStarts()
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == [starts.failed() for _ in range(7)]
    starts.succeeded(1.0)
    assert starts.failed() == 1.0


def test_a_thousand_failures_are_no_overflow():
    """A broken image may be retried for weeks."""
    starts = ColdStarts()
    assert {BACKOFF_CEILING} == {starts.failed() for _ in range(2000)} - {1.0, 2.0, 4.0, 8.0, 16.0}


@pytest.mark.parametrize(("first", "expected"), [(0.0, 0.0), (0.01, BACKOFF_CEILING), (60.0, 60.0)])
def test_the_first_pause_may_be_another_one(first, expected):
    """Tests, and workloads that come right by themselves, want a short one."""
    starts = ColdStarts()
    for _ in range(50):
        last = starts.failed(first)
    assert expected == last
