import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.scaler.decision import (
    LATELY,
    LOG_LAG_SECONDS,
    Doubt,
    Known,
    is_active,
    is_pushed,
    load,
)
from extproc.scaler.trigger import Measure
from feed.board import Share

NOW = 1000.0
INTERVAL = 20.0
JUST = NOW - LATELY * INTERVAL - LOG_LAG_SECONDS
LONG_AGO = JUST - 0.1


def ask(share, *, held=True, complete=True):
    """Whether the workload is wanted, polled every 20 s."""
    return is_active(Known(share, held, complete), polling_interval=INTERVAL, now=NOW)


@pytest.mark.parametrize(
    "share",
    [
        pytest.param(Share(pending=1, in_flight=1, last_request=LONG_AGO), id="parked"),
        pytest.param(Share(in_flight=1, last_request=LONG_AGO), id="in flight"),
        pytest.param(Share(waking=True, last_request=LONG_AGO), id="waking"),
        pytest.param(Share(last_request=JUST), id="a request since it last asked"),
    ],
)
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("complete", [True, False])
def test_any_demand_at_all_is_demand(share, held, complete):
    """However little else is known: a part cannot be more than the whole."""
    assert ask(share, held=held, complete=complete) is True


@pytest.mark.parametrize("share", [Share(), Share(last_request=LONG_AGO), Share(rate=0.1)])
@pytest.mark.parametrize(
    ("held", "complete", "answer"),
    [
        (True, True, False),
        (True, False, Doubt.INCOMPLETE),
        (False, True, Doubt.UNKNOWN),
        (False, False, Doubt.UNKNOWN),
    ],
)
def test_only_who_knows_all_may_say_that_there_is_none(share, held, complete, answer):
    """A false puts the workload to sleep; an error leaves it as it is."""
    assert answer == ask(share, held=held, complete=complete)


@pytest.mark.parametrize(
    ("share", "measure", "value"),
    [
        (Share(in_flight=7), Measure.CONCURRENCY, 7.0),
        (Share(pending=7, in_flight=7), Measure.CONCURRENCY, 7.0),
        (Share(pending=3, in_flight=7), Measure.CONCURRENCY, 7.0),
        (Share(pending=7, in_flight=7, rate=2.5), Measure.RATE, 2.5),
        (Share(pending=7, in_flight=7), Measure.RATE, 0.0),
        (Share(waking=True, last_request=NOW), Measure.CONCURRENCY, 0.0),
    ],
)
def test_the_load_counts_no_request_twice(share, measure, value):
    """One that is parked is in flight too, though no access log names it before it goes on."""
    assert value == load(Known(share, held=True, complete=True), measure)


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize(
    ("held", "complete", "answer"),
    [(True, False, Doubt.INCOMPLETE), (False, True, Doubt.UNKNOWN)],
)
def test_no_load_is_said_only_by_who_knows_all(measure, held, complete, answer):
    """The autoscaler would take replicas away; for want of an answer it takes none."""
    assert answer == load(Known(Share(), held, complete), measure)
    assert 4.0 == load(Known(Share(in_flight=4, rate=4.0), held, complete), measure)


SHARES = st.builds(
    Share,
    pending=st.integers(0, 3),
    in_flight=st.integers(0, 3),
    rate=st.floats(0, 9),
    last_request=st.none() | st.floats(0, NOW),
    waking=st.booleans(),
)


@given(share=SHARES, held=st.booleans(), complete=st.booleans(), interval=st.floats(1, 300))
def test_what_is_pushed_is_what_is_answered(share, held, complete, interval):
    """KEDA would otherwise take back at its next question what it did when it was told."""
    known = Known(share, held, complete)
    answer = is_active(known, polling_interval=interval, now=NOW)
    if is_pushed(share):
        assert answer is True
    if answer is False:
        assert not share.in_flight
        assert held
        assert complete


@given(share=SHARES, interval=st.floats(1, 300), later=st.floats(0, 600))
def test_without_a_new_request_demand_only_fades(share, interval, later):
    """Nobody must be woken by time alone."""
    known = Known(share, held=True, complete=True)
    before = is_active(known, polling_interval=interval, now=NOW)
    after = is_active(known, polling_interval=interval, now=NOW + later)
    assert after is not True or before is True
