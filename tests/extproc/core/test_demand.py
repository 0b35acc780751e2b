import pytest

from extproc.core.demand import (
    FORGOTTEN_AFTER,
    RATE_WINDOW,
    Demand,
    DemandWindow,
    keep_bound,
)

IDLE = Demand(pending=0, in_flight=0, rate=0.0, last_request=100.0)


@pytest.mark.parametrize(
    ("demand", "now", "expected"),
    [
        (IDLE, 109.9, False),
        (IDLE, 110.0, True),
        (Demand(1, 0, 0.0, 100.0), 1000.0, False),
        (Demand(0, 1, 0.0, 100.0), 1000.0, False),
    ],
    ids=["a moment ago", "long ago", "one waits", "one runs"],
)
def test_a_workload_is_idle_when_nothing_waits_runs_or_came_lately(demand, now, expected):
    """Idle means: it may be stopped. Stopping it under a request loses the request."""
    assert expected == demand.is_idle(10.0, now)


def test_a_new_account_begins_as_if_a_request_had_just_come():
    """A restarted hold server knows nothing: it must not put everything to sleep at once."""
    assert Demand(0, 0, 0.0, 50.0) == DemandWindow(50.0).read(0, 55.0)


def test_a_request_is_in_flight_from_its_start_to_its_end():
    """This is what keeps a workload awake under a long request."""
    window = DemandWindow(0.0)
    window.started("a", 10.0)
    window.started("b", 11.0)
    assert Demand(3, 5, 2 / RATE_WINDOW, 11.0, 2) == window.read(3, 12.0)
    window.ended("a", 13.0)
    window.ended("b", 14.0)
    assert Demand(0, 0, 2 / RATE_WINDOW, 14.0, 2) == window.read(0, 15.0)


def test_a_stream_that_began_before_this_account_counts_from_its_next_periodic_entry():
    """After a hold server restarts, a WebSocket of an hour ago must still keep its workload."""
    window = DemandWindow(0.0)
    window.continued("old", 5.0)
    assert Demand(0, 1, 0.0, 5.0) == window.read(0, 6.0)


@pytest.mark.parametrize("stream", ["never seen", "ended before"])
def test_ending_what_is_not_open_changes_nothing(stream):
    """An end that arrives late or twice must not look like a request."""
    window = DemandWindow(0.0)
    window.started("ended before", 1.0)
    window.ended("ended before", 2.0)
    window.ended(stream, 50.0)
    assert Demand(0, 0, 1 / RATE_WINDOW, 2.0, 1) == window.read(0, 55.0)


def test_a_request_whose_end_was_dropped_ages_out():
    """Envoy drops log entries rather than block: a lost end must not keep a workload for ever."""
    window = DemandWindow(0.0)
    window.started("lost", 1.0)
    window.started("long", 1.0)
    window.continued("long", FORGOTTEN_AFTER)
    assert window.read(0, 1.0 + FORGOTTEN_AFTER).in_flight == 2
    read = window.read(0, 1.5 + FORGOTTEN_AFTER)
    assert Demand(0, 1, 2 / RATE_WINDOW, FORGOTTEN_AFTER, 2) == read


def test_being_asked_counts_as_the_last_request_and_time_never_runs_backwards():
    """A parked request that the access log misses still postpones sleep."""
    window = DemandWindow(0.0)
    window.asked(20.0)
    window.asked(10.0)
    assert Demand(0, 0, 0.0, 20.0) == window.read(0, 21.0)


def test_the_rate_is_averaged_over_the_last_minute():
    """KEDA scales on this number: neither spikes nor the day before may dominate it."""
    window = DemandWindow(0.0)
    for second in range(120):
        for n in range(3):
            stream = f"{second}/{n}"
            window.started(stream, second + n / 4)
            window.ended(stream, second + n / 4)
    assert pytest.approx(3.0) == window.read(0, 119.9).rate
    assert pytest.approx(1.5) == window.read(0, 149.9).rate
    assert window.read(0, 119.0 + RATE_WINDOW).rate == 0.0


@pytest.mark.parametrize(
    ("opened", "most", "remembered"),
    [
        ([], 0, []),
        ([3, 2], 5, [3, 2]),
        ([3, 2], 4, [2, 2]),
        ([10, 2, 2], 6, [2, 2, 2]),
        ([2, 2], 1, [0, 1]),
        ([2, 3], 0, [0, 0]),
    ],
)
def test_whoever_has_most_open_requests_has_the_first_of_them_forgotten(opened, most, remembered):
    """So many of one workload, real or made up, must not cost another one its own."""
    windows = [DemandWindow(0.0) for _ in opened]
    for window, number in zip(windows, opened, strict=True):
        for n in range(number):
            window.started(f"{n}", 1.0)
    keep_bound(windows, most)
    assert remembered == [window.open for window in windows]
    for window, number in zip(windows, opened, strict=True):
        assert [f"{n}" for n in range(number)][number - window.open :] == list(window._open)


def test_those_that_are_named_again_and_again_are_forgotten_last():
    """A flood of requests that nobody has sent must not take the place of one that lasts."""
    window = DemandWindow(0.0)
    for stream in ("begun again", "long", "made up 1", "made up 2"):
        window.started(stream, 1.0)
    window.continued("long", 2.0)
    window.started("begun again", 3.0)
    keep_bound([window], 2)
    assert ["long", "begun again"] == list(window._open)
    assert 2 == window.read(0, 2.0 + FORGOTTEN_AFTER).in_flight
    assert 1 == window.read(0, 2.5 + FORGOTTEN_AFTER).in_flight


def test_a_request_that_was_forgotten_is_open_again_when_it_is_named():
    """It never was anything but open."""
    window = DemandWindow(0.0)
    window.started("long", 1.0)
    keep_bound([window], 0)
    assert Demand(0, 0, 1 / RATE_WINDOW, 1.0, 1) == window.read(0, 2.0)
    window.continued("long", 6.0)
    assert Demand(0, 1, 1 / RATE_WINDOW, 6.0, 1) == window.read(0, 7.0)
