import pytest

from extproc.core.hold import BOUNCE
from extproc.core.workload import Chance
from tests.extproc.core.queues import ALL, CART, cart, due_at, park, queue_of


class TestReturn:
    """Requests that were let go before their own Envoy could route them."""

    def test_an_early_request_waits_for_envoy(self):
        """Endpoints are ready here, and Envoy asked all the same: it has not heard yet."""
        queue = queue_of(cart(), settle=0.5)
        queue.endpoints_changed(CART, 1, now=1.0)
        ticket = park(queue, now=1.25)
        assert not queue.wants_wake(CART)
        assert queue.next_due(CART) == pytest.approx(1.5, abs=0.02)
        assert queue.due(CART, 1.5, ALL) == [ticket]

    def test_one_that_comes_back_postpones_those_that_have_not_gone(self):
        """The rest would only come back too, and has fewer chances than Envoy needs updates."""
        queue = queue_of(cart())
        tickets = [park(queue) for _ in range(7)]
        queue.endpoints_changed(CART, 1, now=1.0)
        assert tickets[:1] == queue.due(CART, 1.0, ALL)
        park(queue, now=1.2, chance=Chance(2, 3))
        assert queue.due(CART, 1.24, ALL) == []
        assert tickets[1:] == queue.due(CART, 1.3, ALL)

    def test_what_came_back_teaches_the_next_release(self):
        """After one early release, the next cold start waits as long as Envoy took."""
        queue = queue_of(cart())
        park(queue)
        queue.endpoints_changed(CART, 1, now=1.0)
        assert len(queue.due(CART, 1.0, ALL)) == 1
        park(queue, now=1.2, chance=Chance(2, 3))
        queue.endpoints_changed(CART, 0, now=2.0)
        queue.endpoints_changed(CART, 1, now=3.0)
        assert 3.2 < due_at(queue) < 3.3

    def test_one_handed_over_by_another_server_teaches_nothing(self):
        """It was parked elsewhere on its first chance, not let go too early from here."""
        queue = queue_of(cart())
        queue.endpoints_changed(CART, 1, now=1.0)
        park(queue, now=1.5, chance=Chance(2, 3))
        assert len(queue.due(CART, 1.75, ALL)) == 1
        park(queue, now=1.75 + BOUNCE * 2, chance=Chance(2, 3))
        queue.endpoints_changed(CART, 0, now=9.0)
        park(queue, now=9.5)
        queue.endpoints_changed(CART, 1, now=10.0)
        assert queue.next_due(CART) == 10.0

    def test_one_that_comes_late_in_a_long_release_teaches_nothing(self):
        """It was parked on a hold server that died: one that was let go at once would have been
        back long ago. The wait is shared: every cold start to come would pay two seconds for it.
        """
        queue = queue_of(cart(release_rate=2.0))
        tickets = [park(queue) for _ in range(20)]
        queue.endpoints_changed(CART, 1, now=1.0)
        released = [queue.due(CART, 1.0 + n / 4, ALL) for n in range(20)]
        assert tickets[:10] == [ticket for due in released for ticket in due]
        park(queue, now=5.75, chance=Chance(2, 3))
        queue.endpoints_changed(CART, 0, now=20.0)
        queue.endpoints_changed(CART, 1, now=30.0)
        assert queue.next_due(CART) == 30.0

    def test_an_envoy_that_has_no_endpoint_for_its_own_reasons_teaches_nothing(self):
        """A subset without pods: each of its requests comes back, hours after the start."""
        queue = queue_of(cart(), settle=0.1)
        queue.endpoints_changed(CART, 1, now=1.0)
        park(queue, now=3600.0)
        assert len(queue.due(CART, 3601.0, ALL)) == 1
        park(queue, now=3601.0, chance=Chance(2, 3))
        queue.endpoints_changed(CART, 0, now=4000.0)
        queue.endpoints_changed(CART, 1, now=4001.0)
        assert due_at(queue) == pytest.approx(4001.1, abs=0.02)

    def test_an_envoy_that_never_learns_does_not_hold_up_the_others(self):
        """One cut off from its control plane sends each request back: past the longest wait that
        is worth while, that must not make a crowd at another Envoy begin again each time.
        """
        queue = queue_of(cart())
        queue.endpoints_changed(CART, 1, now=1.0)
        tickets = [park(queue, now=3.5, chance=Chance(3, 3)) for _ in range(31)]
        queue.endpoints_changed(CART, 0, now=4.0)
        queue.endpoints_changed(CART, 1, now=6.0)
        assert queue.due(CART, 8.5, 1) == tickets[:1]
        for n in range(1, 20):
            # One that went goes in circles.
            park(queue, now=8.5 + n / 1000, chance=Chance(2, 3))
        assert tickets[1:] == queue.due(CART, 8.52, ALL)


def test_patience_with_envoy_does_not_outlast_the_requests_own():
    """A request that may wait for two seconds must not be kept for five for Envoy's sake."""
    queue = queue_of(cart(timeout=2.0))
    queue.endpoints_changed(CART, 1, 0.0)
    park(queue, 10.0, chance=Chance(3, 3))
    assert 11.0 == due_at(queue)
