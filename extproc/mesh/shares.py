"""What this hold server tells the demand feed: its part of the demand for each TrafficHold."""

from collections import defaultdict
from collections.abc import Mapping

from extproc.app import HoldServer
from extproc.core.demand import Demand
from feed.board import HoldName, Share


def shares(server: HoldServer) -> Mapping[HoldName, Share]:
    """Sum up over the ports of each hold; holds that were never asked for are left out."""
    by_hold: defaultdict[HoldName, list[Demand]] = defaultdict(list)
    for key in server.touched():
        by_hold[HoldName(key.namespace, key.name)].append(server.demand(key))
    return {hold: _sum(demands) for hold, demands in by_hold.items()}


def _sum(demands: list[Demand]) -> Share:
    return Share(
        sum(demand.pending for demand in demands),
        sum(demand.in_flight for demand in demands),
        sum(demand.rate for demand in demands),
        max(demand.last_request for demand in demands),
    )
