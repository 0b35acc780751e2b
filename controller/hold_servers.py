"""The demand as the hold servers tell it, in the controller's words.

Must not know what demand decides.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from controller.demand import Demand
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from feed.board import HoldName
from feed.hold_servers import HoldServers
from feed.wake import Wake
from kube.resource import Key

_LONGEST = 1024
"""Characters of a reason that a status takes."""


class FeedDemand:
    """The demand as it comes over the feed.

    Args:
        hold_servers: whoever tells.
    """

    def __init__(self, hold_servers: HoldServers) -> None:
        self._hold_servers = hold_servers

    @property
    def refusal(self) -> str:
        """What a hold server says that does not take this controller's token."""
        return self._hold_servers.refusal

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
            _told(total.last_wake),
            total.requests,
            total.sheds,
            self._hold_servers.reported,
            self._hold_servers.unbroken(),
            self._hold_servers.settled(),
        )

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Have a listener told when to look again at a TrafficHold."""
        self._hold_servers.subscribe(lambda hold: listener(Key(*hold)))

    def watch(self, key: Key, *, on: bool) -> None:
        """Have listeners told of each request for a TrafficHold, or no longer."""
        self._hold_servers.watch(HoldName(*key), on=on)

    def forget(self, key: Key) -> None:
        """Forget a TrafficHold that is gone."""
        self._hold_servers.forget(HoldName(*key))

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._hold_servers.run()


def _told(wake: Wake | None) -> LastWake | None:
    if wake is None:
        return None
    at = datetime.fromtimestamp(wake.at, UTC)
    outcome = WakeOutcome(wake.outcome)
    reason = wake.reason[:_LONGEST] or None
    return LastWake(at=at, duration=wake.duration, outcome=outcome, reason=reason)
