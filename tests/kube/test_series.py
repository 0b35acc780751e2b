import itertools

import pytest

from kube.series import NOTES, WINDOW_SECONDS, Series, Step, Topic

WOKEN = Topic("u1", warning=False, reason="Woke", action="Wake")
FAILED = Topic("u1", warning=True, reason="WakeFailed", action="Wake")


@pytest.fixture
def series():
    """A series whose Events are called 1, 2, 3."""
    names = itertools.count(1)
    return Series(lambda: str(next(names)))


def test_the_same_again_is_one_more_of_it(series):
    """A workload that wakes every minute must not fill a page."""
    told = [series.next(WOKEN, "by a request", now) for now in range(3)]
    assert [Step("1", 1), Step("1", 2), Step("1", 3)] == told


@pytest.mark.parametrize(
    "topic",
    [FAILED, WOKEN._replace(uid="u2"), WOKEN._replace(action="Sleep")],
)
def test_something_else_is_an_event_of_its_own(series, topic):
    """The number of one must not hide the other."""
    series.next(WOKEN, "text", 0)
    assert Step("2", 1) == series.next(topic, "text", 0)


def test_another_text_is_an_event_of_its_own(series):
    """An Event's text cannot be changed, and the old one would be wrong now."""
    assert ["1", "2", "1"] == [series.next(FAILED, note, 0).event for note in "aba"]


def test_a_text_that_always_changes_ends_in_a_number(series):
    """Somebody has put a time into it."""
    steps = [series.next(FAILED, f"after {number} s", 0) for number in range(NOTES + 3)]
    assert str(NOTES) == steps[-1].event
    assert 4 == steps[-1].total
    assert Step(str(NOTES + 1), 1) == series.next(FAILED, "after 99 s", WINDOW_SECONDS)


def test_after_a_quiet_while_it_is_news(series):
    """The old Event is an hour old, or gone."""
    series.next(WOKEN, "text", 0)
    assert Step("1", 2) == series.next(WOKEN, "text", WINDOW_SECONDS - 1)
    assert Step("1", 3) == series.next(WOKEN, "text", 2 * WINDOW_SECONDS - 2)
    assert Step("2", 1) == series.next(WOKEN, "text", 3 * WINDOW_SECONDS)


def test_what_is_old_is_not_kept(series):
    """Objects come and go for years."""
    for number in range(10):
        series.next(WOKEN._replace(uid=str(number)), "text", number)
    series.next(WOKEN, "text", 1000)
    assert 1 == len(series)


def test_there_is_a_bound_whatever_happens(series, monkeypatch):
    """Ten thousand objects may have something to tell in one minute."""
    monkeypatch.setattr("kube.series._TOPICS", 3)
    for number in range(10):
        series.next(WOKEN._replace(uid=str(number)), "text", 0)
    assert 3 == len(series)
    assert Step("11", 1) == series.next(WOKEN._replace(uid="0"), "text", 0)


def test_an_event_that_is_gone_is_begun_anew(series):
    """The API server keeps them for an hour, or somebody has cleaned up."""
    series.next(WOKEN, "text", 0)
    series.forget("1")
    assert Step("2", 1) == series.next(WOKEN, "text", 0)
