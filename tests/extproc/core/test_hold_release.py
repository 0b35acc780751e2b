import pytest

from extproc.core.backend import SLOW_START_STEP
from extproc.core.workload import Chance
from tests.extproc.core.queues import ALL, BOOK, CART, cart, due_at, park, queue_of


class TestRelease:
    """When endpoints come, and how fast those parked go on."""

    def test_nobody_is_due_before_endpoints_are_ready(self):
        """Envoy would answer 503: the very thing that parking prevents."""
        queue = queue_of(cart())
        park(queue)
        assert queue.due(CART, 1e9, ALL) == []

    def test_everybody_goes_oldest_first_and_exactly_once(self):
        """Fairness, and no request answered twice."""
        queue = queue_of(cart())
        tickets = [park(queue, now=n / 8) for n in range(20)]
        queue.endpoints_changed(CART, 1, now=3.0)
        assert tickets == queue.due(CART, 4.0, ALL)
        assert queue.due(CART, 5.0, ALL) == []
        assert (0, None) == (queue.pending(), queue.next_due(CART))
        assert not queue.wants_wake(CART)

    def test_release_begins_once_envoy_has_probably_learned(self):
        """The endpoint slice is here before EDS is there: 110 ms in a mesh."""
        queue = queue_of(cart(), settle=0.5)
        park(queue)
        queue.endpoints_changed(CART, 1, now=10.0)
        begin = due_at(queue)
        assert begin == pytest.approx(10.5, abs=0.02)
        assert queue.due(CART, begin - 0.001, ALL) == []
        assert len(queue.due(CART, begin, ALL)) == 1

    def test_release_begins_slowly_and_doubles(self):
        """If Envoy is later than thought, few come back and the rest is still here."""
        queue = queue_of(cart())
        tickets = [park(queue) for _ in range(31)]
        queue.endpoints_changed(CART, 1, now=1.0)
        steps = [queue.due(CART, 1.0 + n * SLOW_START_STEP + 1e-6, ALL) for n in range(5)]
        assert [1, 2, 4, 8, 16] == [len(step) for step in steps]
        assert tickets == [ticket for step in steps for ticket in step]

    def test_a_batch_is_bounded_and_the_rest_is_due_at_once(self):
        """Thousands in one turn of the loop would hold up everything else that it serves."""
        queue = queue_of(cart())
        tickets = [park(queue) for _ in range(10)]
        queue.endpoints_changed(CART, 1, now=1.0)
        assert tickets[:4] == queue.due(CART, 2.0, 4)
        assert due_at(queue) <= 2.0
        assert tickets[4:] == queue.due(CART, 2.0, ALL)

    def test_who_left_is_passed_over(self):
        """A slot for nobody would make the others wait for nothing."""
        queue = queue_of(cart(release_rate=1.0))
        first, second, third = (park(queue) for _ in range(3))
        queue.endpoints_changed(CART, 1, now=1.0)
        queue.leave(first)
        assert queue.due(CART, 1.5, ALL) == [second]
        queue.leave(third)
        assert queue.next_due(CART) is None

    def test_the_same_news_twice_changes_nothing(self):
        """Informers resync: an event means "look again", not "something happened"."""
        queue = queue_of(cart(), settle=1.0)
        park(queue)
        queue.endpoints_changed(CART, 1, now=1.0)
        begin = queue.next_due(CART)
        queue.endpoints_changed(CART, 1, now=1.5)
        assert begin == queue.next_due(CART)

    def test_endpoints_that_go_before_the_release_leave_everybody_parked(self):
        """A pod that was ready for a moment, then crashed, must not cost the queue."""
        queue = queue_of(cart(), settle=1.0)
        ticket = park(queue)
        queue.endpoints_changed(CART, 1, now=1.0)
        queue.endpoints_changed(CART, 0, now=1.5)
        assert (None, []) == (queue.next_due(CART), queue.due(CART, 9.0, ALL))
        assert queue.wants_wake(CART)
        queue.endpoints_changed(CART, 1, now=10.0)
        assert queue.due(CART, 12.0, ALL) == [ticket]

    def test_endpoints_of_an_unmanaged_workload_are_no_news(self):
        """Slices of the whole namespace are watched; most are not ours."""
        queue = queue_of(cart())
        queue.endpoints_changed(BOOK, 3, now=1.0)
        assert ([], None) == (queue.due(BOOK, 9.0, ALL), queue.next_due(BOOK))

    def test_another_endpoint_does_not_begin_the_release_again(self):
        """Pods that come up one by one would otherwise hold up the queue each time."""
        queue = queue_of(cart())
        tickets = [park(queue) for _ in range(7)]
        queue.endpoints_changed(CART, 1, now=1.0)
        assert tickets[:1] == queue.due(CART, 1.0, ALL)
        queue.endpoints_changed(CART, 2, now=1.0 + SLOW_START_STEP / 2)
        assert tickets[1:3] == queue.due(CART, 1.0 + SLOW_START_STEP, ALL)

    def test_another_endpoint_does_not_cut_a_pause_short(self):
        """It says nothing about whether the Envoy that sent this request knows the first one."""
        queue = queue_of(cart(), settle=0.1)
        queue.endpoints_changed(CART, 1, now=1.0)
        park(queue, now=2.0, chance=Chance(3, 3))
        due = queue.next_due(CART)
        queue.endpoints_changed(CART, 2, now=2.5)
        assert due == queue.next_due(CART)
        assert due == 7.0


class TestPace:
    """`release_rate`: requests let go per second and ready endpoint."""

    @pytest.mark.parametrize(("ready", "expected"), [(1, 0.5), (2, 0.25), (4, 0.125)])
    def test_the_pace_is_per_ready_endpoint(self, ready, expected):
        """Two pods take twice as many."""
        queue = queue_of(cart(release_rate=2.0))
        tickets = [park(queue) for _ in range(3)]
        queue.endpoints_changed(CART, ready, now=1.0)
        at = due_at(queue)
        for ticket in tickets:
            assert at == queue.next_due(CART)
            assert queue.due(CART, at, ALL) == [ticket]
            at += expected

    def test_a_late_loop_catches_up(self):
        """The pace protects the workload from bursts, not from the mean that was asked for."""
        queue = queue_of(cart(release_rate=2.0))
        tickets = [park(queue) for _ in range(6)]
        queue.endpoints_changed(CART, 1, now=1.0)
        assert tickets[:1] == queue.due(CART, 1.0, ALL)
        assert tickets[1:5] == queue.due(CART, 3.0, ALL)
        assert queue.next_due(CART) == 3.5

    def test_endpoints_that_come_and_go_give_no_extra_release(self):
        """A flapping pod would otherwise be hit by one request more at each flap."""
        queue = queue_of(cart(release_rate=1.0))
        for _ in range(20):
            park(queue)
        queue.endpoints_changed(CART, 1, now=0.0)
        released = 0
        for n in range(64):
            queue.endpoints_changed(CART, 1 + n % 2, now=n / 64)
            released += len(queue.due(CART, n / 64, ALL))
        assert released <= 1 + 2.0 * 1.0

    def test_those_who_come_while_others_are_paced_wait_in_line(self):
        """The burst that a pace keeps away must not come in through the side door."""
        queue = queue_of(cart(release_rate=1.0), settle=0.25)
        parked = [park(queue) for _ in range(4)]
        queue.endpoints_changed(CART, 1, now=0.0)
        late = [park(queue, now=0.125) for _ in range(4)]
        released = []
        for n in range(20):
            now = n / 4
            released += queue.due(CART, now, ALL)
            assert len(released) <= 1 + now
        assert released[:4] == parked
        assert late[0] in released

    def test_a_new_pace_holds_from_now_on(self):
        """The user who finds the pace too slow changes it and looks."""
        queue = queue_of(cart(release_rate=0.01))
        tickets = [park(queue) for _ in range(3)]
        queue.endpoints_changed(CART, 1, now=0.0)
        assert tickets[:1] == queue.due(CART, 0.0, ALL)
        assert queue.next_due(CART) == 100.0
        queue.replace({CART: cart(release_rate=10.0)})
        assert queue.next_due(CART) == pytest.approx(0.1)
        queue.replace({CART: cart()})
        assert tickets[1:] == queue.due(CART, 0.1, ALL)


def test_a_start_that_everybody_left_is_not_measured_for_ever():
    """It may never have ended; the next one would seem to have taken hours."""
    queue = queue_of(cart(timeout=2.0))
    queue.leave(park(queue, 0.0))
    park(queue, 3600.0)
    queue.endpoints_changed(CART, 1, 3601.0)
    queue.endpoints_changed(CART, 0, 3602.0)
    ticket = park(queue, 3603.0)
    assert 1.0 == queue.expire(ticket, 3603.0).retry_after
