"""How far a cold start has come, told and understood."""

import pytest

from feed.start import Start, heard, latest, said
from telemetry.cold_start import ColdStart, Ending, Mark, Winner

DONE = Start(
    1000.0,
    ((Mark.SCALED, 0.1), (Mark.READY, 1.5), (Mark.RELEASED, 2.0)),
    Ending.READY,
    2.0,
    "layby",
)
OPEN = Start(1000.0, ((Mark.SCALED, 0.1),))


def test_it_is_read_off_a_cold_start():
    """In seconds from its beginning, whatever the clock says."""
    start = ColdStart(("shop", "cart"), 50.0, 1000.0, winner=Winner.LAYBY)
    start.mark(Mark.SCALED, 50.5)
    assert Start(1000.0, ((Mark.SCALED, 0.5),), None, 0.0, "layby") == Start.of(start)
    start.ended, start.ending, start.reason = 53.0, Ending.FAILED, "x" * 9999
    told = Start.of(start)
    assert (Ending.FAILED, 3.0, 500) == (told.ending, told.duration, len(told.reason))


@pytest.mark.parametrize(
    "start", [DONE, OPEN, Start(1.0, (), Ending.FAILED, 0.5, "", "no image"), Start(7.0)]
)
def test_what_is_said_is_what_is_heard(start):
    assert start == heard(said(start))


def test_a_mark_at_once_is_one():
    """Zero is how protobuf leaves something out."""
    told = heard(said(Start(1.0, ((Mark.SCALED, 0.0),))))
    assert told
    assert [Mark.SCALED] == [mark for mark, _ in told.marks]


def test_silence_is_not_a_cold_start():
    """An older hold server says nothing of it."""
    assert heard(type(said(DONE))()) is None


def test_the_one_who_saw_most_of_it_is_believed():
    """Each hold server sees releases of its own requests only."""
    less = Start(999.9, ((Mark.SCALED, 0.2),), Ending.ABANDONED, 1.0)
    assert DONE == latest([less, DONE])
    assert latest([]) is None


def test_an_older_cold_start_is_not_the_latest_however_much_was_seen_of_it():
    new = Start(2000.0, ((Mark.SCALED, 0.2),))
    assert new == latest([DONE, new])


def test_of_equal_accounts_the_longer_one_counts():
    early = Start(999.5, DONE.marks, Ending.READY, 2.5)
    assert early == latest([DONE, early])
