import pytest

from extproc.core.backend import SLOW_START_STEP, Ticket
from extproc.core.coldstart import FIRST_GUESS
from extproc.core.hold import BOUNCE, DRAINED, READY, UNMANAGED, HoldQueue
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.probe import ProbeRule, Request
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
PROBE = Request("GET", "/healthz")
ALL = 1000


def queue_of(*workloads: Workload, max_pending: int = 1000, settle: float = 0.0) -> HoldQueue:
    """A queue that manages `workloads`."""
    queue = HoldQueue(max_pending=max_pending, settle=Settle(first=settle))
    assert [] == queue.replace({workload.key: workload for workload in workloads})
    return queue


def cart(probes: tuple[ProbeRule, ...] = (), **hold) -> Workload:
    """The workload `cart`."""
    return Workload(CART, Hold(**hold), probes)


def park(queue: HoldQueue, now: float = 0.0, key: WorkloadKey = CART, **options) -> Ticket:
    """A request that has to wait."""
    ticket = queue.arrive(key, now=now, **options)
    assert isinstance(ticket, Ticket)
    return ticket


def refusal(queue: HoldQueue, now: float = 0.0, **options) -> Verdict:
    """What a request is told that does not wait."""
    verdict = queue.arrive(CART, now=now, **options)
    assert isinstance(verdict, Verdict)
    return verdict


class TestArrival:
    """Who parks, who goes on, who is refused."""

    def test_a_request_for_a_workload_at_zero_waits_and_wants_it_woken(self):
        """The whole product in one line."""
        queue = queue_of(cart(timeout=30.0))
        ticket = park(queue, now=5.0)
        assert (CART, 5.0, 35.0) == (ticket.key, ticket.arrived, ticket.deadline)
        assert (1, 1, 5.0) == (queue.pending(), queue.pending(CART), queue.oldest(CART))
        assert queue.wants_wake(CART)
        assert queue.next_due(CART) is None

    def test_a_request_for_an_unmanaged_workload_goes_on(self):
        """Any cluster that happens to have no endpoint asks here; most are none of ours."""
        queue = queue_of()
        assert queue.arrive(CART, now=0.0) == UNMANAGED
        assert (0, 0, None) == (queue.pending(), queue.pending(CART), queue.oldest(CART))
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
        begin = queue.next_due(CART)
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
        assert (queue.next_due(CART) or 0.0) <= 2.0
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
        at = queue.next_due(CART)
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
        park(queue, now=1.004, chance=Chance(2, 3))
        assert queue.due(CART, 1.0049, ALL) == []
        assert tickets[1:] == queue.due(CART, 1.1, ALL)

    def test_what_came_back_teaches_the_next_release(self):
        """After one early release, the next cold start waits as long as Envoy took."""
        queue = queue_of(cart())
        park(queue)
        queue.endpoints_changed(CART, 1, now=1.0)
        assert len(queue.due(CART, 1.0, ALL)) == 1
        park(queue, now=1.2, chance=Chance(2, 3))
        queue.endpoints_changed(CART, 0, now=2.0)
        queue.endpoints_changed(CART, 1, now=3.0)
        assert 3.2 < (queue.next_due(CART) or 0.0) < 3.3

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

    def test_an_envoy_that_never_learns_does_not_hold_up_the_others(self):
        """One cut off from its control plane sends each request back: past the longest wait that
        is worth while, that must not make a crowd at another Envoy begin again each time.
        """
        queue = queue_of(cart())
        tickets = [park(queue) for _ in range(15)]
        queue.endpoints_changed(CART, 1, now=1.0)
        assert tickets[:1] == queue.due(CART, 1.0, ALL)
        # It comes back later than any wait that would be learnt.
        park(queue, now=1.99, chance=Chance(2, 3))
        begin = queue.next_due(CART)
        assert begin is not None
        released = queue.due(CART, begin, ALL)
        for n in range(1, 40):
            now = max(begin, 3.0) + n / 1000
            park(queue, now=now, chance=Chance(2, 3))
            released += queue.due(CART, now, ALL)
        assert tickets[1:] == [ticket for ticket in released if ticket in tickets]


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
        assert queue.oldest(BOOK) == other.arrived
        assert not queue.wants_wake(CART)

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
        detail = "cart had no ready endpoint within 2.0 s."
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
        assert {ticket.id for ticket in tickets} == {ticket.id for ticket in queue.drain()}
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
        assert (1, ticket.arrived) == (queue.pending(), queue.oldest(CART))

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
