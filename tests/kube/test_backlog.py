import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.backlog import Backlog, Retry

A, B = "a", "b"


@pytest.fixture
def backlog():
    return Backlog(Retry(first_seconds=1.0, longest_seconds=4.0, random=lambda: 0.0))


def test_a_key_added_twice_is_worked_on_once(backlog):
    """A thousand events on one object are one thing to look at."""
    backlog.add(A)
    backlog.add(B)
    backlog.add(A)
    assert [A, B, None] == [backlog.take(0) for _ in range(3)]


def test_a_key_added_during_its_work_is_worked_on_again_and_not_at_the_same_time(backlog):
    """What is new may have come after it was read."""
    backlog.add(A)
    backlog.take(0)
    backlog.add(A)
    backlog.add(A)
    assert backlog.take(0) is None
    assert (1, 1) == (backlog.ready, backlog.running)
    backlog.done(A)
    assert A == backlog.take(0)
    backlog.done(A)
    assert (0, 0, 0) == (backlog.ready, backlog.running, backlog.delayed)


def test_a_failed_key_waits_longer_each_time(backlog):
    """Up to a limit; and from the beginning again once it has worked."""
    now, delays = 0.0, []
    backlog.add(A)
    for _ in range(4):
        assert A == backlog.take(now)
        delays.append(backlog.failed(A, now))
        assert backlog.take(now + delays[-1] - 0.1) is None
        assert now + delays[-1] == backlog.next_due()
        now += delays[-1]
    assert [1.0, 2.0, 4.0, 4.0] == delays
    assert 4 == backlog.failures(A)
    backlog.take(now)
    backlog.done(A)
    assert 0 == backlog.failures(A)
    backlog.add(A)
    backlog.take(now)
    assert 1.0 == backlog.failed(A, now)


def test_news_end_the_wait_of_a_failed_key(backlog):
    """Somebody has just corrected what it failed on; the count stays, in case they have not."""
    backlog.add(A)
    backlog.take(0)
    backlog.failed(A, 0)
    backlog.add(A)
    assert A == backlog.take(0)
    assert 2.0 == backlog.failed(A, 0)


def test_news_during_the_work_that_fails_are_looked_at_at_once(backlog):
    """The failure was with what was there before."""
    backlog.add(A)
    backlog.take(0)
    backlog.add(A)
    assert 0.0 == backlog.failed(A, 0)
    assert A == backlog.take(0)
    assert 0 == backlog.delayed


def test_the_server_s_wish_is_a_lower_bound(backlog):
    """It asks to be left alone for a while."""
    backlog.add(A)
    backlog.take(0)
    assert 30.0 == backlog.failed(A, 0, at_least=30.0)


def test_the_earlier_of_two_times_counts(backlog):
    """Whoever wants to look soon must not be put off by whoever wants to look later."""
    backlog.add_at(A, 5)
    backlog.add_at(A, 3)
    backlog.add_at(A, 9)
    assert (3, 1) == (backlog.next_due(), backlog.delayed)
    assert backlog.take(2.9) is None
    assert A == backlog.take(3)
    backlog.done(A)
    assert backlog.take(100) is None


def test_work_that_begins_meanwhile_is_taken_for_what_is_due_later(backlog):
    """It decides anew when to look again: two timers for a key would become two for ever."""
    backlog.add_at(A, 5)
    backlog.add(A)
    assert backlog.next_due() is None
    backlog.add_at(A, 5)
    assert backlog.next_due() is None
    backlog.take(0)
    backlog.add_at(A, 6)
    backlog.done(A)
    assert 6 == backlog.next_due()


def test_keys_come_in_the_order_of_their_times(backlog):
    """Even with equal times, of keys that do not compare."""
    for key, time in ((A, 2), (B, 1), (3, 1)):
        backlog.add_at(key, time)
    assert [B, 3, A] == [backlog.take(2) for _ in range(3)]
    assert "<Backlog 0 ready, 0 delayed, 3 running>" == repr(backlog)


_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add_at", "take", "done", "failed"]), st.integers(0, 3))
)


@given(_STEPS)
def test_no_key_is_lost_and_none_is_worked_on_twice_at_a_time(steps):
    """Whatever the order: what was added and not yet begun is there to be taken in the end."""
    backlog, wanted, running, now = Backlog[int](), set(), set(), 0.0
    for step, key in steps:
        now += 0.01
        match step:
            case "add":
                backlog.add(key)
                wanted.add(key)
            case "add_at":
                backlog.add_at(key, now + key)
                wanted.add(key)
            case "take":
                taken = backlog.take(now)
                assert taken not in running
                if taken is not None:
                    running.add(taken)
                    wanted.discard(taken)
            case "done" if key in running:
                running.remove(key)
                backlog.done(key)
            case "failed" if key in running:
                running.remove(key)
                backlog.failed(key, now)
                wanted.add(key)
            case _:
                pass
    for key in running:
        backlog.done(key)
    left = set()
    while (taken := backlog.take(now + 1000)) is not None:
        left.add(taken)
    assert wanted <= left
