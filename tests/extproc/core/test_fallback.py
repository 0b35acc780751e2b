import pytest

from extproc.core.fallback import NO_FALLBACK, Fallback
from extproc.core.hold import DRAINED, READY
from extproc.core.outcome import Cause, Outcome
from extproc.core.probe import ProbeRule, Request
from extproc.core.workload import Hold, Workload
from tests.extproc.core.queues import BOOK, CART, cart, park, queue_of, refusal

PAGE = Fallback(redirect="https://status.example")
OTHER = Fallback(body="closed")


def test_who_is_shed_is_told_what_the_owner_wants():
    """The page that says so is the shop's, not ours."""
    queue = queue_of(cart(max_pending=1, fallback=PAGE), max_pending=1)
    park(queue)
    assert (Cause.QUEUE_FULL, PAGE) == (refusal(queue).cause, refusal(queue).fallback)


def test_who_is_shed_by_the_servers_bound_is_told_the_same():
    """To the client it is the same: too many wait already."""
    queue = queue_of(cart(fallback=PAGE), Workload(BOOK), max_pending=1)
    park(queue, key=BOOK)
    assert (Cause.SERVER_FULL, PAGE) == (refusal(queue).cause, refusal(queue).fallback)


def test_whose_patience_ends_is_told_what_the_owner_wants():
    """As it is then: an edit of the text is for those, too, who wait already."""
    queue = queue_of(cart(fallback=PAGE))
    ticket = park(queue)
    queue.replace({CART: cart(fallback=OTHER)})
    assert OTHER == queue.expire(ticket, 60.0).fallback
    queue.replace({})
    assert NO_FALLBACK == queue.expire(ticket, 60.0).fallback


def test_a_hopeless_start_is_told_as_the_owner_wants():
    """Both to those who wait and to those who come during the back-off."""
    queue = queue_of(cart(fallback=PAGE))
    park(queue)
    verdict, _ = queue.start_failed(CART, "exit 1", 1.0)
    for each in (verdict, refusal(queue, 1.5)):
        assert (Outcome.HOPELESS, PAGE) == (each.outcome, each.fallback)


def test_a_drain_is_told_as_each_owner_wants():
    """A request of the last hold server is not served either."""
    queue = queue_of(cart(fallback=PAGE), Workload(BOOK, Hold(fallback=OTHER)))
    ours, others = park(queue), park(queue, key=BOOK)
    told = {ticket.id: verdict for verdict, tickets in queue.drain() for ticket in tickets}
    assert {ours.id: PAGE, others.id: OTHER} == {n: told[n].fallback for n in told}
    assert {Outcome.DRAINED} == {verdict.outcome for verdict in told.values()}
    assert told[ours.id] == refusal(queue)
    assert told[ours.id] != DRAINED


@pytest.mark.parametrize("path", ["/healthz", "/"])
def test_who_is_served_or_probes_is_told_nothing_of_it(path):
    """A probe must get the status of its rule."""
    queue = queue_of(cart((ProbeRule(path="/healthz"),), fallback=PAGE))
    queue.endpoints_changed(CART, 1, 0.0)
    verdict = refusal(queue, 1.0, request=Request("GET", path))
    assert NO_FALLBACK == verdict.fallback
    assert (verdict == READY) == (path == "/")
