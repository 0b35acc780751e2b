"""Hold queues to ask, and the shortest ways to ask them."""

from extproc.core.backend import Ticket
from extproc.core.hold import HoldQueue
from extproc.core.outcome import Verdict
from extproc.core.probe import ProbeRule
from extproc.core.settle import Settle
from extproc.core.workload import Hold, Workload, WorkloadKey

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
ALL = 1000
"""More than ever wait."""


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


def due_at(queue: HoldQueue) -> float:
    """When the next one will be let go."""
    due = queue.next_due(CART)
    assert due is not None
    return due


def refusal(queue: HoldQueue, now: float = 0.0, key: WorkloadKey = CART, **options) -> Verdict:
    """What a request is told that does not wait."""
    verdict = queue.arrive(key, now=now, **options)
    assert isinstance(verdict, Verdict)
    return verdict


def drained(queue: HoldQueue) -> list[Ticket]:
    """Whom a drain sends away."""
    return [ticket for _, tickets in queue.drain() for ticket in tickets]
