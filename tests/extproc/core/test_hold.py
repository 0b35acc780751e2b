from extproc.core.backend import Ticket
from extproc.core.coldstart import FIRST_GUESS
from extproc.core.hold import DRAINED, READY, UNMANAGED
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import ProbeRule, Request
from extproc.core.workload import Workload
from tests.extproc.core.queues import ALL, BOOK, CART, cart, drained, park, queue_of, refusal

PROBE = Request("GET", "/healthz")


class TestArrival:
    """Who parks, who goes on, who is refused."""

    def test_a_request_for_a_workload_at_zero_waits_and_wants_it_woken(self):
        """The whole product in one line."""
        queue = queue_of(cart(timeout=30.0))
        ticket = park(queue, now=5.0)
        assert (CART, 5.0, 35.0) == (ticket.key, ticket.arrived, ticket.deadline)
        assert (1, 1) == (queue.pending(), queue.pending(CART))
        assert queue.wants_wake(CART)
        assert queue.next_due(CART) is None

    def test_it_tells_which_workloads_somebody_waits_for(self):
        """They have demand, though no access log has an entry yet."""
        queue = queue_of(cart(), Workload(BOOK))
        assert [] == queue.waited_for()
        ticket = park(queue)
        assert [CART] == queue.waited_for()
        queue.leave(ticket)
        assert [] == queue.waited_for()

    def test_a_request_for_an_unmanaged_workload_goes_on(self):
        """Any cluster that happens to have no endpoint asks here; most are none of ours."""
        queue = queue_of()
        assert queue.arrive(CART, now=0.0) == UNMANAGED
        assert (0, 0) == (queue.pending(), queue.pending(CART))
        assert not queue.wants_wake(CART)

    def test_a_request_goes_on_at_once_if_endpoints_are_ready_and_envoy_needs_no_time(self):
        """With nothing to wait for there is no reason to park."""
        queue = queue_of(cart(), settle=0.0)
        queue.endpoints_changed(CART, 1, now=1.0)
        assert queue.arrive(CART, now=2.0) == READY
        assert queue.pending() == 0

    def test_a_probe_is_answered_while_its_workload_sleeps(self):
        """A load balancer that probes every 5 s would otherwise keep everything awake."""
        queue = queue_of(cart(probes=(ProbeRule(path="/healthz", status=204),)))
        expected = Verdict(Outcome.PROBED, Cause.PROBE, status=204)
        assert expected == refusal(queue, request=PROBE)
        assert not queue.wants_wake(CART)

    def test_a_probe_is_answered_even_when_others_are_refused(self):
        """An overloaded or leaving hold server does not make the workload unhealthy."""
        probes = (ProbeRule(path="/healthz"),)
        queue = queue_of(cart(probes=probes, max_pending=1), max_pending=1)
        park(queue)
        assert refusal(queue, request=PROBE).outcome is Outcome.PROBED
        queue.drain()
        assert refusal(queue, request=PROBE).outcome is Outcome.PROBED

    def test_a_request_beyond_the_workloads_bound_is_shed(self):
        """One flooded workload must not take the memory of all; those parked are unharmed."""
        queue = queue_of(cart(max_pending=2))
        parked = [park(queue), park(queue)]
        detail = "2 requests already wait for cart."
        expected = Verdict(Outcome.SHED, Cause.QUEUE_FULL, detail, FIRST_GUESS)
        assert expected == refusal(queue)
        queue.leave(parked[0])
        assert isinstance(queue.arrive(CART, now=0.0), Ticket)

    def test_the_refused_of_a_workload_are_counted_on_all_its_ports(self):
        """Whoever owns it must be told, and not once for each port."""
        queue = queue_of(cart(max_pending=1), Workload(BOOK))
        park(queue)
        for _ in range(3):
            assert refusal(queue).outcome is Outcome.SHED
        assert (3, 0) == (queue.sheds(CART), queue.sheds(BOOK))
        assert 0 == queue_of().sheds(CART)

    def test_a_request_for_what_is_only_rehearsed_goes_on(self):
        """Nothing of it is answered or held, not even a probe."""
        queue = queue_of(Workload(CART, probes=(ProbeRule(path="/healthz"),), rehearsed=True))
        assert queue.arrive(CART, now=0.0, request=PROBE) == UNMANAGED
        assert queue.pending() == 0
        assert not queue.wants_wake(CART)

    def test_a_request_beyond_the_servers_bound_is_shed(self):
        """Memory is the server's, so the last bound is too."""
        queue = queue_of(cart(), Workload(BOOK), max_pending=2)
        park(queue)
        park(queue, key=BOOK)
        detail = "This hold server already holds 2 requests."
        expected = Verdict(Outcome.SHED, Cause.SERVER_FULL, detail, FIRST_GUESS)
        assert expected == refusal(queue)

    def test_a_draining_server_refuses(self):
        """What it would park, it would have to refuse a moment later."""
        queue = queue_of(cart())
        queue.drain()
        assert refusal(queue) == DRAINED

    def test_retry_after_shrinks_as_the_start_goes_on(self):
        """A client told the full duration each time would wait twice as long as needed."""
        queue = queue_of(cart(max_pending=1))
        park(queue, now=10.0)
        assert refusal(queue, now=10.0).retry_after == FIRST_GUESS
        assert FIRST_GUESS - 2.0 == refusal(queue, now=12.0).retry_after
        assert refusal(queue, now=100.0).retry_after == 1.0

    def test_retry_after_comes_from_the_starts_seen(self):
        """A JVM that takes 40 s must not be promised in 5."""
        queue = queue_of(cart(max_pending=1))
        park(queue, now=0.0)
        queue.endpoints_changed(CART, 1, now=40.0)
        assert len(queue.due(CART, 41.0, ALL)) == 1
        queue.endpoints_changed(CART, 0, now=100.0)
        park(queue, now=200.0)
        assert refusal(queue, now=210.0).retry_after == 30.0


class TestLeaving:
    """Requests that end without a release."""

    def test_leaving_frees_the_place_and_twice_is_harmless(self):
        """Cancellation, expiry and release may all be on their way at once."""
        queue = queue_of(cart())
        ticket, other = park(queue), park(queue)
        queue.leave(ticket)
        queue.leave(ticket)
        assert (1, 1) == (queue.pending(), queue.pending(CART))
        queue.endpoints_changed(CART, 1, now=1.0)
        assert queue.due(CART, 2.0, ALL) == [other]
        queue.leave(other)
        assert queue.pending() == 0

    def test_a_ticket_of_a_workload_that_is_gone_leaves_nothing_behind(self):
        """Its `finally` runs after the workload was taken away."""
        queue = queue_of(cart())
        ticket = park(queue)
        assert queue.replace({}) == [ticket]
        queue.leave(ticket)
        assert queue.pending() == 0
        queue.replace({CART: cart()})
        queue.leave(ticket)
        assert queue.pending() == 0

    def test_an_expired_request_is_told_how_long_it_waited_and_when_to_come_back(self):
        """504 with no hint makes every client guess."""
        queue = queue_of(cart(timeout=2.0))
        ticket = park(queue, now=1.0)
        detail = "cart could not take the request within 2.0 s."
        expected = Verdict(Outcome.EXPIRED, Cause.TIMEOUT, detail, FIRST_GUESS - 2.0)
        assert expected == queue.expire(ticket, now=3.0)

    def test_expiry_needs_no_workload(self):
        """It may be gone in the same turn."""
        queue = queue_of(cart(timeout=2.0))
        ticket = park(queue, now=1.0)
        queue.replace({})
        assert queue.expire(ticket, now=3.0).retry_after is None

    def test_draining_returns_everybody_once_and_keeps_nobody(self):
        """All of them must be told before the server ends."""
        queue = queue_of(cart(), Workload(BOOK))
        tickets = [park(queue), park(queue, key=BOOK), park(queue)]
        assert {ticket.id for ticket in tickets} == {ticket.id for ticket in drained(queue)}
        assert (0, []) == (queue.pending(), queue.drain())
        queue.endpoints_changed(CART, 1, now=1.0)
        assert queue.due(CART, 9.0, ALL) == []


class TestReplace:
    """A new set of workloads."""

    def test_the_same_set_again_changes_nothing(self):
        """Informers resync."""
        queue = queue_of(cart())
        ticket = park(queue)
        assert queue.replace({CART: cart()}) == []
        assert (1, [ticket]) == (queue.pending(), drained(queue))

    def test_those_of_a_workload_that_is_gone_are_returned(self):
        """Nobody would ever release them."""
        queue = queue_of(cart(), Workload(BOOK))
        ticket = park(queue)
        park(queue, key=BOOK)
        assert queue.replace({BOOK: Workload(BOOK)}) == [ticket]
        assert (1, 0, 1) == (queue.pending(), queue.pending(CART), queue.pending(BOOK))

    def test_new_bounds_hold_for_new_arrivals_only(self):
        """Those parked were promised their deadline."""
        queue = queue_of(cart(timeout=10.0))
        ticket = park(queue)
        queue.replace({CART: cart(timeout=1.0, max_pending=2)})
        assert ticket.deadline == 10.0
        assert park(queue).deadline == 1.0
        assert refusal(queue).cause is Cause.QUEUE_FULL

    def test_what_is_known_of_endpoints_and_starts_survives(self):
        """An edit of the timeout must not put a ready workload back to zero."""
        queue = queue_of(cart())
        queue.endpoints_changed(CART, 1, now=1.0)
        queue.replace({CART: cart(timeout=1.0)})
        assert queue.arrive(CART, now=2.0) == READY


def test_the_queue_shows_what_it_holds():
    """State that a failing test or a debugger can read."""
    queue = queue_of(cart(), Workload(BOOK), max_pending=9)
    park(queue)
    assert repr(queue) == "<HoldQueue 1/9 {'shop/cart': 1}>"
