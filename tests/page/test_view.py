"""What a person reads."""

import pytest

from page.snapshot import Condition, Outcome, Phase, Stage, stages
from page.view import MOST, MOST_DRAWN, MOST_WOKEN, view
from page.wording import ago, soon
from telemetry.cold_start import Ending, Mark
from tests.page.conftest import NOW, snapshot, wake, workload


def row(**fields):
    [found] = view(snapshot(workload(**fields))).rows
    return found


def falls(*wakes):
    [found] = view(snapshot(workload(wakes=wakes))).woken
    return found.waterfalls


def test_a_workload_is_described():
    found = row(wakes=(wake(),))
    assert ("shop", "cart", "Deployment cart", "Warm") == (
        found.namespace,
        found.name,
        found.target,
        found.phase,
    )
    assert ("0", "1", "2.5/s", "2", "just now") == (
        found.parked,
        found.in_flight,
        found.rate,
        found.replicas,
        found.last_request,
    )
    assert "woke in 2.40 s" == found.last_wake
    assert ["stays up: requests are parked or open"] == [note.text for note in found.notes]


def test_what_is_not_known_is_not_made_up():
    """A zero would be read as a fact."""
    found = row(parked=None, in_flight=None, rate=None, replicas=None, ready=None, quiet=None)
    assert {""} == {found.parked, found.in_flight, found.rate, found.replicas}
    assert "none yet" == found.last_request


@pytest.mark.parametrize(
    ("replicas", "ready", "expected"),
    [(0, 0, "0"), (2, 2, "2"), (3, 1, "1 of 3 ready"), (None, 2, "2 ready"), (1, None, "1")],
)
def test_replicas_tell_how_many_are_ready_if_not_all(replicas, ready, expected):
    assert expected == row(replicas=replicas, ready=ready).replicas


def test_troubles_come_first_and_are_not_told_twice():
    """Ready repeats what another condition has said."""
    conditions = (
        Condition("Accepted", "True", "Accepted", ""),
        Condition("Attached", "False", "NotAttached", "2 of 5 proxies lack the gate"),
        Condition("Ready", "False", "NotAttached", "see Attached"),
        Condition("ScalerReady", "Unknown", "Unverified", ""),
    )
    notes = row(conditions=conditions).notes
    assert [
        ("Attached: NotAttached", "2 of 5 proxies lack the gate", True),
        ("Busy", "stays up: requests are parked or open", False),
    ] == list(notes)
    alone = (Condition("Ready", "False", "WakeFailed", "no image"),)
    assert "Ready: WakeFailed" == row(conditions=alone).notes[0].head


def test_bars_are_drawn_to_the_longest_wakes_scale():
    """So that two wakes of one workload can be compared by eye."""
    half = wake(at=NOW - 600, seconds=1.2, stages=(Stage("start", 0.0, 1.2),))
    long, short = falls(wake(), half)
    assert [0.0, 2.08, 4.17, 41.67, 83.33, 91.67] == [bar.left for bar in long.bars]
    assert [2.08, 2.08, 37.5, 41.67, 8.33, 8.33] == [bar.width for bar in long.bars]
    assert [50.0] == [bar.width for bar in short.bars]
    assert "woke in 2.40 s, scaled by layby" == long.said
    assert long.moment.endswith("Z")


def test_a_stage_that_took_no_time_is_still_to_be_seen():
    nothing = wake(seconds=0.0, stages=(Stage("scale", 0.0, 0.0),))
    [bar] = falls(nothing)[0].bars
    assert (0.0, 0.4, "0 ms") == (bar.left, bar.width, bar.took)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.GOING_ON, "waking for 2.40 s"),
        (Outcome.SUCCEEDED, "woke in 2.40 s"),
        (Outcome.FAILED, "failed after 2.40 s"),
        (Outcome.TIMED_OUT, "given up after 2.40 s"),
    ],
)
def test_only_the_last_stage_is_where_a_wake_went_wrong(outcome, expected):
    found = row(wakes=(wake(outcome=outcome),))
    assert expected == found.last_wake
    states = [bar.state for bar in falls(wake(outcome=outcome))[0].bars]
    assert [Outcome.SUCCEEDED] * 5 + [outcome] == states


def test_a_follower_says_who_leads():
    """Else one would think that the leader knows no more than this."""
    other = view(snapshot(leads=False, leader="layby-controller-1")).notices
    assert "layby-controller-1 leads" in other[0]
    assert "no controller leads" in view(snapshot(leads=False)).notices[0]
    assert () == view(snapshot()).notices


def test_an_incomplete_sum_is_said_to_be_one():
    notices = view(snapshot(complete=False, notices=("and this",))).notices
    assert "Not every hold server" in notices[0]
    assert "and this" == notices[1]


def test_sums_are_of_all_workloads_and_those_shown_are_bounded():
    """Of a thousand, those that sleep soundly can wait; one in trouble cannot."""
    asleep = [workload(f"w{n:04}", phase=Phase.ZERO, parked=0) for n in range(MOST + 50)]
    trouble = workload(
        "z-bad", phase=Phase.ZERO, conditions=(Condition("Ready", "False", "X", ""),)
    )
    page = view(snapshot(*asleep, trouble, workload("z-warm", parked=7)))
    assert (("Warm", 1), ("Zero", MOST + 51)) == page.counts
    assert (7, MOST, 52) == (page.parked, len(page.rows), page.hidden)
    assert ["z-bad", "z-warm"] == [each.name for each in page.rows[-2:]]
    assert page.rows[0].name == "w0000"


def test_waterfalls_are_of_those_that_woke_last():
    """A page of a thousand times five would be too large to be sent again and again."""
    many = [
        workload(f"w{n:03}", wakes=tuple(wake(at=NOW - n - 1000 * k) for k in range(5)))
        for n in range(MOST_WOKEN + 10)
    ]
    woken = view(snapshot(*reversed(many), workload("none"))).woken
    assert [f"w{n:03}" for n in range(MOST_WOKEN)] == [each.name for each in woken]
    assert {MOST_DRAWN} == {len(each.waterfalls) for each in woken}
    assert "woke in 2.40 s, just now" == woken[0].said


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "just now"),
        (9.9, "just now"),
        (38, "30 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ages_are_coarse(seconds, expected):
    """A page that is another one each second is sent each second."""
    assert expected == ago(seconds)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "5 s"), (43, "45 s"), (600, "10 min"), (10_800, "3 h")]
)
def test_times_to_come_are_coarse_too(seconds, expected):
    assert expected == soon(seconds)


@pytest.mark.parametrize(
    ("rate", "expected"), [(0.0, "0.0/s"), (0.02, "<0.1/s"), (12.34, "12.3/s")]
)
def test_a_little_is_not_nothing(rate, expected):
    assert expected == row(rate=rate).rate


MARKS = [(Mark.SCALED, 0.1), (Mark.STARTED, 0.5)]


@pytest.mark.parametrize(
    ("ending", "last"),
    [(None, Stage("readiness", 0.5, None)), (Ending.FAILED, Stage("readiness", 0.5, 2.0))],
)
def test_the_stage_that_goes_on_or_went_wrong_is_one(ending, last):
    """It is the one that somebody looks for."""
    assert (Stage("scale", 0.0, 0.1), Stage("start", 0.1, 0.5), last) == stages(MARKS, ending, 2.0)


def test_stages_of_a_wake_that_went_well_end_with_its_last_mark():
    """One who waits for nobody was let go: there is no release."""
    assert 2 == len(stages(MARKS, Ending.READY, 2.0))
    assert () == stages([], Ending.READY, 2.0)
    assert (Stage("scale", 0.0, None),) == stages([], None, 2.0)
