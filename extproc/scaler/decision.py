"""Whether a workload is wanted, and how much load it has, as KEDA has to be told.

Pure: `now` is monotonic seconds. In doubt there is no answer, for KEDA puts nothing to sleep on an
error. Must not know who asks.
"""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from extproc.scaler.trigger import Measure
from feed.board import Share

LATELY = 1.5
"""Polling intervals for which a request counts as demand: between two questions some must not go
unseen, and KEDA asks a little late. Its cooldown begins when it last heard that there is demand."""
LOG_LAG_SECONDS = 2.5
"""How much later than the request itself it may be known here: Envoy writes its access log every
second, and the hold server that gets it tells the others within half of one."""


class Doubt(Enum):
    """Why nothing can be said."""

    UNKNOWN = "there is no TrafficHold {hold} that this hold server knows of"
    INCOMPLETE = (
        "no demand for TrafficHold {hold} is known here, but not every hold server has been heard "
        "from for long enough, or none hears from any Envoy"
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a hold.

    Args:
        share: its demand, of all hold servers that have been heard.
        held: whether there is such a TrafficHold.
        complete: whether these are all hold servers there are.
    """

    share: Share
    held: bool
    complete: bool

    def doubt(self) -> Doubt | None:
        """Why no demand here need not be no demand at all."""
        if not self.held:
            return Doubt.UNKNOWN
        return None if self.complete else Doubt.INCOMPLETE


def is_active(known: Known, *, polling_interval: float, now: float) -> bool | Doubt:
    """Whether the workload is to run."""
    share = known.share
    if is_pushed(share) or share.in_flight:
        return True
    last = share.last_request
    if last is not None and now - last <= LATELY * polling_interval + LOG_LAG_SECONDS:
        return True
    return known.doubt() or False


def is_pushed(share: Share) -> bool:
    """Whether KEDA is to be told before it asks: somebody waits for the workload to start."""
    return share.pending > 0 or share.waking


def load(known: Known, measure: Measure) -> float | Doubt:
    """How much load there is, on all replicas of the workload together."""
    share = known.share
    match measure:
        case Measure.CONCURRENCY:
            # Those that are parked are among them.
            value = float(share.in_flight)
        case Measure.RATE:
            value = share.rate
        case _:
            assert_never(measure)
    return value or known.doubt() or 0.0
