from extproc.core.hold import READY, UNMANAGED
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.workload import Workload
from tests.extproc.core.queues import ALL, BOOK, CART, cart, drained, park, queue_of, refusal


class TestFailedStart:
    """A workload that cannot start."""

    def test_everybody_who_waits_is_told_why_at_once(self):
        """A minute's wait for an image that does not exist helps nobody."""
        queue = queue_of(cart(), Workload(BOOK))
        tickets = [park(queue), park(queue)]
        other = park(queue, key=BOOK)
        verdict, told = queue.start_failed(CART, "ImagePullBackOff", now=3.0)
        assert Verdict(Outcome.HOPELESS, Cause.CANNOT_START, "ImagePullBackOff", 1.0) == verdict
        assert tickets == told
        assert (1, 0) == (queue.pending(), queue.pending(CART))
        assert not queue.wants_wake(CART)
        assert [other] == drained(queue)

    def test_who_comes_during_the_back_off_is_told_the_same(self):
        """Each of them would otherwise start it again."""
        queue = queue_of(cart())
        queue.start_failed(CART, "exit 1", now=3.0)
        expected = Verdict(Outcome.HOPELESS, Cause.CANNOT_START, "exit 1", 0.25)
        assert expected == refusal(queue, now=3.75)

    def test_after_the_back_off_it_is_tried_again_and_the_next_one_is_longer(self):
        """The user may have fixed it."""
        queue = queue_of(cart())
        queue.start_failed(CART, "exit 1", now=3.0)
        park(queue, now=4.0)
        assert queue.wants_wake(CART)
        verdict, _ = queue.start_failed(CART, "exit 1", now=5.0)
        assert verdict.retry_after == 2.0

    def test_the_back_off_is_the_workloads(self):
        """A script that fails for want of a database may be right a moment later."""
        queue = queue_of(Workload(CART, backoff=0.25))
        assert queue.start_failed(CART, "exit 1", now=3.0)[0].retry_after == 0.25
        assert refusal(queue, now=3.125).outcome is Outcome.HOPELESS
        park(queue, now=3.25)

    def test_a_start_that_succeeds_after_all_ends_the_back_off(self):
        """Whatever failed, endpoints are ready: refusing would be a lie."""
        queue = queue_of(cart())
        queue.start_failed(CART, "exit 1", now=3.0)
        queue.endpoints_changed(CART, 1, now=3.5)
        assert queue.arrive(CART, now=3.75) == READY
        queue.endpoints_changed(CART, 0, now=3.8)
        park(queue, now=3.9)

    def test_a_failed_start_beside_ready_endpoints_concerns_nobody(self):
        """A second replica that crashes is not the end of the first."""
        queue = queue_of(cart(), settle=1.0)
        queue.endpoints_changed(CART, 1, now=1.0)
        park(queue, now=1.5)
        assert (UNMANAGED, []) == queue.start_failed(CART, "OOMKilled", now=1.5)
        assert queue.pending() == 1

    def test_a_failed_start_of_an_unmanaged_workload_concerns_nobody(self):
        """Its hold may have been deleted meanwhile."""
        assert (UNMANAGED, []) == queue_of().start_failed(CART, "OOMKilled", now=1.0)

    def test_a_start_that_failed_is_no_cold_start(self):
        """Its time says nothing about how long a good start takes."""
        queue = queue_of(cart(max_pending=1))
        park(queue, now=0.0)
        queue.start_failed(CART, "exit 1", now=50.0)
        park(queue, now=100.0)
        queue.endpoints_changed(CART, 1, now=103.0)
        queue.due(CART, 104.0, ALL)
        queue.endpoints_changed(CART, 0, now=105.0)
        park(queue, now=110.0)
        assert refusal(queue, now=110.0).retry_after == 3.0
