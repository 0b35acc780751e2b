from math import inf

import pytest

from feed.board import STALE_SECONDS, YOUNG_SECONDS, Board, HoldName, Share
from feed.wake import Wake, WakeOutcome

CART, BOOK = HoldName("shop", "cart"), HoldName("shop", "book")
NOW = 1000.0
OLD = YOUNG_SECONDS + 1


def hear(board, *report, log_streams=1):
    """Have a hold server report that hears from Envoys."""
    board.hear(*report, log_streams=log_streams)


@pytest.fixture
def board():
    """A board on which two hold servers have reported, both for long enough."""
    board = Board()
    board.expect(["a", "b"], NOW - 100)
    hear(board, "a", {CART: Share(2, 3, 0.5, NOW - 9)}, OLD, NOW)
    hear(board, "b", {CART: Share(1, 4, 0.25, NOW - 2), BOOK: Share(0, 1, 0.1, NOW)}, OLD, NOW)
    return board


def test_it_is_the_sum_of_what_all_hold_servers_say(board):
    """Each knows of the requests that came to it."""
    assert Share(3, 7, 0.75, NOW - 2) == board.total(CART)
    assert Share(0, 1, 0.1, NOW) == board.total(BOOK)
    assert {CART, BOOK} == board.holds()


def test_of_a_hold_that_was_never_asked_for_nothing_is_said(board):
    """That is not the same as a request at some time."""
    assert Share(0, 0, 0.0, None) == board.total(HoldName("shop", "other"))


def test_a_report_replaces_the_last_one_of_the_same_server(board):
    """What it leaves out is over."""
    hear(board, "b", {BOOK: Share(0, 0, 0.0, NOW)}, OLD, NOW + 1)
    assert Share(2, 3, 0.5, NOW - 9) == board.total(CART)
    hear(board, "a", {}, OLD, NOW + 1)
    assert {BOOK} == board.holds()


def test_it_is_whole_when_every_server_was_heard_lately_and_is_old_enough(board):
    """Only then may a workload be put to sleep."""
    assert board.complete(NOW)


def test_its_silence_is_that_of_the_quietest(board):
    """One that is not heard keeps all workloads up."""
    hear(board, "a", {}, OLD, NOW + 3)
    assert 4.0 == board.silence(NOW + 4)
    board.expect(["a", "b", "c"], NOW + 4)
    assert inf == board.silence(NOW + 4)
    assert inf == Board().silence(NOW)


@pytest.mark.parametrize("expected", [None, []])
def test_with_no_server_known_it_is_not_whole(expected):
    """Somebody has to have counted."""
    board = Board()
    if expected is not None:
        board.expect(expected, NOW - 100)
    hear(board, "a", {}, OLD, NOW)
    assert not board.complete(NOW)


def test_a_server_that_has_not_been_heard_makes_it_less_than_whole(board):
    """It may have parked a thousand requests."""
    board.expect(["a", "b", "c"], NOW)
    assert not board.complete(NOW)
    hear(board, "c", {}, OLD, NOW)
    assert board.complete(NOW)


@pytest.mark.parametrize(
    ("silent", "expected"), [(STALE_SECONDS - 0.1, True), (STALE_SECONDS, False)]
)
def test_a_server_that_is_silent_makes_it_less_than_whole(board, silent, expected):
    """It may be cut off, and count on all the same."""
    hear(board, "b", {}, OLD + silent, NOW + silent)
    assert expected == board.complete(NOW + silent)
    hear(board, "a", {}, OLD + silent, NOW + silent)
    assert board.complete(NOW + silent)


@pytest.mark.parametrize(
    ("age", "expected"), [(0.0, False), (YOUNG_SECONDS - 0.1, False), (YOUNG_SECONDS, True)]
)
def test_a_young_account_makes_it_less_than_whole(board, age, expected):
    """Requests that were open before it began are named every few seconds only."""
    hear(board, "b", {}, age, NOW)
    assert expected == board.complete(NOW)


def test_an_account_grows_older_between_two_reports(board):
    """Nobody has to say so."""
    hear(board, "b", {}, YOUNG_SECONDS - 2, NOW)
    hear(board, "a", {}, OLD, NOW)
    assert not board.complete(NOW + 1)
    assert board.complete(NOW + 2)


def test_a_server_that_goes_takes_its_part_along_and_leaves_doubt(board):
    """Its Envoys have yet to name to another what they have open."""
    board.expect(["a"], NOW)
    # That server had some open, until it went.
    assert Share(2, 3, 0.5, NOW) == board.total(CART)
    assert {CART} == board.holds()
    later = NOW + YOUNG_SECONDS
    hear(board, "a", {}, OLD, later - 0.1)
    assert not board.complete(later - 0.1)
    assert board.complete(later)


def test_a_server_that_had_said_nothing_leaves_no_doubt(board):
    """It came and went without a request."""
    board.expect(["a", "b", "c"], NOW)
    board.expect(["a", "b"], NOW)
    assert board.complete(NOW)


def test_the_youngest_account_bounds_what_can_be_said_of_quiet(board):
    """Before it nobody was counting everything."""
    assert pytest.approx(OLD + 3) == board.youngest(NOW + 3)
    hear(board, "b", {}, 1.0, NOW + 3)
    assert pytest.approx(1.0) == board.youngest(NOW + 3)
    assert Board().youngest(NOW) is None


def test_it_is_waking_if_one_of_them_wakes_it(board):
    """The others may have nobody who waits."""
    assert not board.total(CART).waking
    hear(board, "b", {CART: Share(waking=True)}, OLD, NOW)
    assert board.total(CART).waking


def test_the_last_wake_is_of_what_all_of_them_saw(board):
    """Envoys take the requests for one workload to any hold server."""
    assert board.total(CART).last_wake is None
    late, ready = Wake(10, 10, WakeOutcome.TIMED_OUT), Wake(18, 7, WakeOutcome.SUCCEEDED)
    hear(board, "a", {CART: Share(last_wake=late)}, OLD, NOW)
    assert late == board.total(CART).last_wake
    hear(board, "b", {CART: Share(last_wake=ready)}, OLD, NOW)
    assert Wake(10, 15, WakeOutcome.SUCCEEDED) == board.total(CART).last_wake


def test_what_a_hold_server_has_counted_outlives_it(board):
    """A count that falls would look like one that began anew."""
    hear(board, "a", {CART: Share(last_request=NOW, requests=5, sheds=2)}, OLD, NOW)
    hear(board, "b", {CART: Share(last_request=NOW, requests=3, sheds=1)}, OLD, NOW)
    assert (8, 3) == counts(board)
    board.expect(["b"], NOW)
    assert (8, 3) == counts(board)
    # It has been restarted at its address.
    hear(board, "b", {CART: Share(last_request=NOW, requests=1)}, 0.0, NOW + 10)
    assert (9, 3) == counts(board)
    hear(board, "b", {CART: Share(last_request=NOW, requests=2)}, 1.0, NOW + 11)
    assert (10, 3) == counts(board)


def counts(board):
    """The requests and sheds of `cart`."""
    total = board.total(CART)
    return total.requests, total.sheds


@pytest.mark.parametrize(("open_", "expected"), [(0, NOW - 2), (1, NOW)])
def test_a_request_that_only_a_lost_server_knew_of_is_remembered(open_, expected):
    """Or the workload would look as idle as it is for those that never heard of the request."""
    board = Board()
    board.expect(["a", "b"], NOW - 100)
    hear(board, "a", {CART: Share(0, open_, 0.0, NOW - 2)}, OLD, NOW)
    hear(board, "b", {CART: Share(last_request=NOW - 90)}, OLD, NOW)
    board.expect(["b"], NOW)
    later = NOW + YOUNG_SECONDS
    hear(board, "b", {CART: Share(last_request=NOW - 90)}, OLD, later)
    assert board.complete(later)
    assert expected == board.total(CART).last_request
    board.forget(CART)
    assert NOW - 90 == board.total(CART).last_request


def test_how_long_no_account_was_lost_is_known(board):
    """What a server knew, and had not told yet, is gone with it."""
    assert inf == board.unbroken(NOW)
    board.expect(["a"], NOW)
    assert 5.0 == board.unbroken(NOW + 5)
    # At its own address it has begun anew.
    hear(board, "a", {}, 0.0, NOW + 30)
    assert 1.0 == board.unbroken(NOW + 31)


def test_it_is_settled_once_nothing_has_come_or_gone_for_a_while():
    """Whoever asks a hold server gets no answer before that, and asks again later."""
    board = Board()
    assert inf == board.settled(NOW)
    board.expect(["a"], NOW)
    board.hear("a", {}, 50.0, NOW, log_streams=0)
    assert 50.0 == board.settled(NOW)
    hear(board, "a", {}, 60.0, NOW + 10)
    assert 0.0 == board.settled(NOW + 10)
    hear(board, "a", {}, 70.0, NOW + 20)
    assert 10.0 == board.settled(NOW + 20), "it is the first report that counts"
    board.expect(["a", "b"], NOW + 20)
    hear(board, "b", {}, 5.0, NOW + 21)
    assert 5.0 == board.settled(NOW + 21)
    board.expect(["a"], NOW + 40)
    assert 1.0 == board.settled(NOW + 41)


def test_silence_is_not_quiet_if_no_envoy_reports_to_anybody():
    """The gate may be in the wrong namespace, and workloads in use would be put to sleep."""
    board = Board()
    board.expect(["a", "b"], NOW - 100)
    assert board.reported, "nobody has said otherwise"
    hear(board, "a", {}, OLD, NOW, log_streams=0)
    assert board.reported, "b may hear from Envoys"
    hear(board, "b", {}, OLD, NOW, log_streams=0)
    assert (False, False) == (board.reported, board.complete(NOW))
    hear(board, "b", {}, OLD, NOW, log_streams=1)
    assert (True, True) == (board.reported, board.complete(NOW))
    # A rollout of hold servers in a quiet mesh: no Envoy has anything to tell the new ones yet.
    board.expect(["c"], NOW)
    hear(board, "c", {}, OLD, NOW, log_streams=0)
    assert board.reported
