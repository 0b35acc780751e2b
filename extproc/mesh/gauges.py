"""What is read off a hold server in a mesh whenever somebody asks for metrics.

Must not know how they are exposed.
"""

from extproc.app import HoldServer
from extproc.mesh.demand import MeshDemand
from telemetry.catalogue.holding import DEMAND_AGE, IN_FLIGHT, LIMIT, RATE, SETTLE
from telemetry.store import Store


def watch(store: Store, server: HoldServer, demand: MeshDemand, *, limit: int) -> None:
    """Have the store ask a hold server, which may hold `limit` requests, and its demand.

    In flight and rate are this hold server's part, so that the sum over all is the whole; the age
    is that of the last request that any of them knows of.
    """
    store.watch(LIMIT, lambda: [((), float(limit))])
    store.watch(SETTLE, lambda: [((), server.settle)])
    store.watch(IN_FLIGHT, lambda: [(h, s.in_flight) for h, s in demand.own().items()])
    store.watch(RATE, lambda: [(h, s.rate) for h, s in demand.own().items()])
    store.watch(DEMAND_AGE, demand.ages)
