"""The demand as the hold servers tell it, in the controller's words.

Must not know what demand decides.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from controller.demand import Demand
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from feed.board import HoldName, Wake
from feed.hold_servers import HoldServers
from kube.resource import Key


class FeedDemand:
    """The demand as it comes over the feed.

    Args:
        hold_servers: whoever tells.
    """

    def __init__(self, hold_servers: HoldServers) -> None:
        self._hold_servers = hold_servers
        self._wakes: dict[Key, Wake] = {}

    def demand(self, key: Key) -> Demand | None:
        """Return the demand for a TrafficHold; none while nothing is known."""
        youngest = self._hold_servers.youngest()
        if youngest is None:
            return None
        now = asyncio.get_running_loop().time()
        total = self._hold_servers.total(HoldName(*key))
        asked = total.last_request is not None
        quiet = now - total.last_request if total.last_request is not None else youngest
        return Demand(
            total.pending,
            total.in_flight,
            quiet,
            self._hold_servers.complete(),
            asked,
            self._last_wake(key, total.last_wake),
        )

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Have a listener told when to look again at a TrafficHold."""
        self._hold_servers.subscribe(lambda hold: listener(Key(*hold)))

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._hold_servers.run()

    def _last_wake(self, key: Key, wake: Wake | None) -> LastWake | None:
        """Tell the same wake once, whichever of its witnesses speaks first or is gone first."""
        if wake is None:
            self._wakes.pop(key, None)
            return None
        told = self._wakes.get(key)
        if told is None or told.ended < wake.at:
            told = wake
        elif told.overlaps(wake) and (both := told.merged(wake)).outcome is not told.outcome:
            # Somebody had given up on it before it became ready after all.
            told = both
        self._wakes[key] = told
        at = datetime.fromtimestamp(told.at, UTC)
        return LastWake(at=at, duration=told.duration, outcome=WakeOutcome(told.outcome))
