"""The marks and stages of one cold start."""

import pytest

from telemetry.catalogue.holding import STAGES
from telemetry.cold_start import ColdStart, Mark, Stage

ALL = {
    Mark.SCALED: 1.1,
    Mark.SCHEDULED: 1.3,
    Mark.STARTED: 3.0,
    Mark.READY: 5.0,
    Mark.SEEN: 5.1,
    Mark.RELEASED: 5.3,
}


def start_with(marks):
    start = ColdStart(("shop", "cart"), 1.0)
    for mark, at in marks.items():
        start.mark(mark, at)
    return start


def test_the_stages_meet_and_cover_the_whole():
    """What no stage accounts for could not be won back."""
    assert start_with(ALL).stages() == [
        Stage("scale", 1.0, 1.1),
        Stage("schedule", 1.1, 1.3),
        Stage("start", 1.3, 3.0),
        Stage("readiness", 3.0, 5.0),
        Stage("eds", 5.0, 5.3),
    ]


def test_the_stages_are_those_of_the_catalogue():
    assert list(STAGES) == [stage.name for stage in start_with(ALL).stages()]


@pytest.mark.parametrize(
    ("marks", "stages"),
    [
        ({}, []),
        ({Mark.SCALED: 2.0}, [("scale", 1.0, 2.0)]),
        # Local mode: processes are neither scheduled nor watched.
        (
            {Mark.SCALED: 1.5, Mark.SEEN: 4.0, Mark.RELEASED: 4.2},
            [("scale", 1.0, 1.5), ("readiness", 1.5, 4.0), ("eds", 4.0, 4.2)],
        ),
        # Nothing but the release was heard of.
        ({Mark.RELEASED: 4.0}, [("eds", 1.0, 4.0)]),
    ],
)
def test_where_a_mark_is_missing_the_next_stage_includes_it(marks, stages):
    assert stages == start_with(marks).stages()


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        # The EndpointSlice came before the pod's own update.
        (
            {Mark.READY: 5.2, Mark.SEEN: 5.1},
            [(Mark.READY, 5.1), (Mark.SEEN, 5.1)],
        ),
        # Another hold server had scaled it before this one began.
        ({Mark.SCALED: 0.2, Mark.READY: 4.0}, [(Mark.SCALED, 1.0), (Mark.READY, 4.0)]),
    ],
)
def test_marks_are_in_their_order_however_they_are_heard_of(marks, expected):
    """Stages of negative length would confuse every histogram and every waterfall."""
    assert expected == start_with(marks).marks()


def test_the_first_to_tell_of_a_mark_is_believed():
    """Pods come and go while several start."""
    start = start_with({Mark.READY: 5.0})
    start.mark(Mark.READY, 9.0)
    assert [(Mark.READY, 5.0)] == start.marks()
