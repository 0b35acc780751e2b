"""What the hold servers know of a workload's requests, and who tells.

Owns the words between the controller and the demand feed. Must not know how they travel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from crds.v1alpha1.traffichold import LastWake
from kube.resource import Key


@dataclass(frozen=True, slots=True)
class Demand:
    """The sum over all hold servers, at the moment of asking."""

    pending: int
    """Requests parked."""
    in_flight: int
    """Requests open, those parked among them."""
    quiet: float
    """Seconds since a request last came or was seen open; if none has, the age of the youngest
    hold server's account. An age, so that no two clocks have to agree on it."""
    complete: bool
    """Whether all hold servers are known, each was heard from lately, and one of them hears from
    Envoys. If not, there may be more than this."""
    requested: bool = True
    """Whether any request has been seen."""
    last_wake: LastWake | None = None
    """The latest wake that has ended, if the hold servers remember one."""
    requests: int = 0
    """How many there have been, counted from anywhere."""
    sheds: int = 0
    """How many were refused for want of a place, counted from anywhere."""
    reported: bool = True
    """False if each hold server says that no Envoy has ever told it of a request."""
    unbroken: float = inf
    """Seconds since a hold server was last lost, with what it knew and had not told."""
    settled: float = inf
    """Seconds since a hold server came or went, or the first report of any Envoy."""


class DemandSource(Protocol):
    """Whoever has the demand, kept current."""

    @property
    def refusal(self) -> str:
        """What a hold server says that does not tell this controller; empty if there is none."""

    def demand(self, key: Key, /) -> Demand | None:
        """Return the demand for a TrafficHold; none if nothing is known of it."""

    def watch(self, key: Key, /, *, on: bool) -> None:
        """Have listeners told of each request for a TrafficHold, or no longer."""

    def forget(self, key: Key, /) -> None:
        """Forget a TrafficHold that is gone."""

    def subscribe(self, listener: Callable[[Key], None], /) -> None:
        """Have a listener told when to look again at a TrafficHold.

        That is when the first request is parked or open and when the last no longer is, when a
        wake has ended, and when the account becomes complete or is so no longer; not for each
        request. The listener does not wait, and must be called in the event loop.
        """
