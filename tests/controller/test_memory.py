"""What one controller remembers of a TrafficHold: what it says, and when it is asked again."""

from datetime import UTC, datetime, timedelta

from controller.last_wake import as_read
from controller.memory import SHEDS_SECONDS, Memory
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from tests.controller.objects import asleep

TOLD = LastWake(
    at=datetime(2026, 1, 2, 3, 4, 5, 900_000, tzinfo=UTC),
    duration=2.5,
    outcome=WakeOutcome.SUCCEEDED,
)
OTHER = TOLD.model_copy(update={"at": TOLD.at + timedelta(seconds=3)})


def test_refused_requests_are_told_together():
    """Thousands within a minute are one Event, with their number."""
    memory = Memory()
    assert 0 == memory.shed(asleep(sheds=70), 0.0)
    assert 3 == memory.shed(asleep(sheds=73), 10.0)
    assert memory.retry_after(10.0) is None
    assert 0 == memory.shed(asleep(sheds=80), 20.0)
    assert SHEDS_SECONDS - 10.0 == memory.retry_after(20.0)
    assert 9 == memory.shed(asleep(sheds=82), 10.0 + SHEDS_SECONDS)
    assert memory.retry_after(10.0 + SHEDS_SECONDS) is None
    assert 0 == memory.shed(asleep(sheds=82), 500.0)


def test_what_was_refused_before_all_were_heard_is_not_told_again():
    """Another leader has told it; hold servers are heard one after the other."""
    memory = Memory()
    assert 0 == memory.shed(None, 0.0)
    assert 0 == memory.shed(asleep(sheds=5, complete=False), 1.0)
    assert 0 == memory.shed(asleep(sheds=70), 2.0)
    assert 1 == memory.shed(asleep(sheds=71, complete=False), 3.0)


def test_an_account_that_begins_anew_is_no_refusal():
    """Hold servers forget a workload that is not held for a while."""
    memory = Memory()
    memory.shed(asleep(sheds=70), 0.0)
    assert 0 == memory.shed(asleep(sheds=2), 1.0)
    assert 1 == memory.shed(asleep(sheds=3), 2.0)


def test_a_wake_is_remembered_as_it_was_told_if_it_is_the_one_that_is_written():
    """A status has whole seconds, which cannot tell two wakes in one of them apart."""
    memory = Memory()
    memory.heard(None, None)
    assert memory.exact_wake is None
    memory.heard(TOLD, as_read(TOLD))
    memory.heard(OTHER, as_read(TOLD))
    assert TOLD == memory.exact_wake
