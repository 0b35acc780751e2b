"""The demand for each hold: what this hold server knows itself, and what the others tell.

Must not know who asks.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from extproc.app import HoldServer
from extproc.core.workload import WorkloadKey
from extproc.mesh.starts import Starts
from extproc.mesh.wakes import Wakes
from feed.board import HoldName, Share
from feed.hold_servers import HoldServers


class MeshDemand:
    """Demand, own and all.

    Args:
        server: this hold server.
        wakes: its wakes.
        hold_servers: all of them, this one among them: each hears itself as it hears the others,
            so that the account is whole for one in the same way as for many.
        starts: its cold starts, if anybody wants to know of them.
    """

    def __init__(
        self,
        server: HoldServer,
        wakes: Wakes,
        hold_servers: HoldServers,
        starts: Starts | None = None,
    ) -> None:
        self._server = server
        self._wakes = wakes
        self._hold_servers = hold_servers
        self._starts = starts

    def own(self) -> Mapping[HoldName, Share]:
        """This hold server's part, by hold; those that were never asked for are left out."""
        by_hold: dict[HoldName, list[WorkloadKey]] = {}
        for key in self._server.touched():
            by_hold.setdefault(HoldName(key.namespace, key.name), []).append(key)
        return {hold: self._share(hold, keys) for hold, keys in by_hold.items()}

    def total(self, hold: HoldName) -> Share:
        """The sum of all hold servers, as far as it is known."""
        total = self._hold_servers.total(hold)
        # One's own word takes a moment to be heard, and the autoscaler must not wait for it.
        return replace(total, waking=True) if self._wakes.is_waking(hold) else total

    def ages(self) -> Iterable[tuple[HoldName, float]]:
        """Return the seconds since the last request for each hold that was asked for here."""
        now = asyncio.get_running_loop().time()
        for hold, own in self.own().items():
            times = (own.last_request, self._hold_servers.total(hold).last_request)
            yield hold, now - max(time for time in times if time is not None)

    def complete(self) -> bool:
        """Whether that is the whole."""
        return self._hold_servers.complete()

    def subscribe(self, callback: Callable[[HoldName], None]) -> None:
        """Have `callback` called whenever something has begun or ended for a hold."""
        self._wakes.subscribe(callback)
        self._hold_servers.subscribe(callback)

    def _share(self, hold: HoldName, keys: Collection[WorkloadKey]) -> Share:
        demands = [self._server.demand(key) for key in keys]
        return Share(
            sum(demand.pending for demand in demands),
            sum(demand.in_flight for demand in demands),
            sum(demand.rate for demand in demands),
            max(demand.last_request for demand in demands),
            self._wakes.is_waking(hold),
            self._wakes.last(hold),
            sum(demand.requests for demand in demands),
            # The ports have one account of these.
            max(self._server.throttler.sheds(key) for key in keys),
            start=self._starts.latest(hold) if self._starts else None,
        )
