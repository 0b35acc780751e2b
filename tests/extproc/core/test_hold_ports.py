"""A workload that is reached on several ports: ready on each by itself, bounded as one."""

from extproc.core.backend import Ticket
from extproc.core.outcome import Cause
from extproc.core.workload import Hold, Workload, WorkloadKey
from tests.extproc.core.queues import ALL, BOOK, drained, park, queue_of, refusal

HTTP, ADMIN = WorkloadKey("shop", "cart", "cart:80"), WorkloadKey("shop", "cart", "cart:81")
PORTS = (HTTP, ADMIN)


def bound(key: WorkloadKey, max_pending: int = 2) -> Workload:
    return Workload(key, Hold(max_pending=max_pending))


def test_ports_share_the_workloads_bound():
    """`maxPending` is the TrafficHold's: a port more is not a queue more."""
    queue = queue_of(*map(bound, PORTS))
    first, _ = park(queue, key=HTTP), park(queue, key=ADMIN)
    for key in PORTS:
        verdict = refusal(queue, key=key)
        assert (Cause.QUEUE_FULL, "2 requests already wait for cart.") == (
            verdict.cause,
            verdict.detail,
        )
    assert (1, 1) == (queue.pending(HTTP), queue.pending(ADMIN))
    queue.leave(first)
    park(queue, key=ADMIN)


def test_other_workloads_have_a_bound_of_their_own():
    """Also one of the same name, in another namespace."""
    namesake = HTTP._replace(namespace="library")
    queue = queue_of(bound(HTTP, 1), bound(namesake, 1), bound(BOOK, 1))
    assert 3 == len([park(queue, key=key) for key in (HTTP, namesake, BOOK)])


def test_every_way_out_makes_room_on_the_other_port():
    """A place that were lost in one of them would be lost until the server ends."""
    queue = queue_of(*map(bound, PORTS))

    def fill() -> list[Ticket]:
        tickets = [park(queue, key=HTTP) for _ in range(2)]
        assert Cause.QUEUE_FULL is refusal(queue, key=ADMIN).cause
        return tickets

    for ticket in fill():
        queue.leave(ticket)
    fill()
    queue.start_failed(HTTP, "exit 1", 1.0)
    park(queue, now=2.0, key=ADMIN)
    queue.endpoints_changed(ADMIN, 1, 3.0)
    assert 1 == len(queue.due(ADMIN, 4.0, ALL))
    queue.endpoints_changed(ADMIN, 0, 5.0)
    queue.endpoints_changed(HTTP, 1, 6.0)
    queue.endpoints_changed(HTTP, 0, 7.0)
    fill()
    queue.replace({ADMIN: bound(ADMIN)})
    assert 2 == len([park(queue, key=ADMIN) for _ in range(2)])
    assert 2 == len(drained(queue))


def test_a_port_that_comes_later_shares_what_is_there():
    """A Service gets a second port while requests wait at the first."""
    queue = queue_of(bound(HTTP))
    tickets = [park(queue, key=HTTP) for _ in range(2)]
    queue.replace({key: bound(key) for key in PORTS})
    assert Cause.QUEUE_FULL is refusal(queue, key=ADMIN).cause
    queue.leave(tickets[0])
    park(queue, key=ADMIN)


def test_a_workload_that_was_gone_begins_anew():
    """Its old requests have gone on; that they leave late takes nothing from the new ones."""
    queue = queue_of(*map(bound, PORTS))
    old = [park(queue, key=key) for key in PORTS]
    queue.replace({})
    queue.replace({key: bound(key) for key in PORTS})
    new = [park(queue, key=key) for key in PORTS]
    for ticket in old:
        queue.leave(ticket)
    assert Cause.QUEUE_FULL is refusal(queue, key=HTTP).cause
    assert new == drained(queue)


def test_a_bound_below_those_who_wait_refuses_by_their_number():
    """The user lowers it during a stampede: what is said must be true all the same."""
    queue = queue_of(bound(HTTP, 3))
    for _ in range(3):
        park(queue, key=HTTP)
    queue.replace({HTTP: bound(HTTP, 1)})
    assert "3 requests already wait for cart." == refusal(queue, key=HTTP).detail
