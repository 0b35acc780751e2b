"""What the leader found when it last looked at each TrafficHold, for people to read.

Owns the words for whether a workload is put to sleep, or why not. Must not know who reads them.
"""

from typing import Final, NamedTuple

from controller.facts import Facts, Missing
from controller.sleep import Reason
from controller.steps import Plan
from page.wording import soon

_WORDS: Final = {
    Reason.IDLE: "idle: put to sleep now",
    Reason.ALREADY_ZERO: "asleep: the next request wakes it",
    Reason.NOT_ACCEPTED: "left alone: nobody would hold its requests",
    Reason.NOT_ATTACHED: "stays up: some proxies would not hold its requests",
    Reason.MIN_REPLICAS: "stays up: scaling.minReplicas is {least}",
    Reason.SCALED_BY_OTHERS: "stays up: something else scales it, or may",
    Reason.SCALE_REFUSED: "could not be scaled a moment ago, and is tried again",
    Reason.DEMAND_UNKNOWN: "stays up: a hold server not heard from may know of a request",
    Reason.BUSY: "stays up: requests are parked or open",
    Reason.RECENT_REQUEST: "put to sleep in {soon} unless a request comes",
    Reason.JUST_STARTED: "stays up until it has been up for {after}",
    Reason.DRY_RUN: "would be put to sleep, were it not for spec.dryRun",
    Reason.LEFT_TO_KEDA: "idle: KEDA puts it to sleep",
}


class Look(NamedTuple):
    """What was found."""

    reason: Reason | None
    replicas: int | None
    """Asked for; none if there is no workload."""
    ready: int
    idle_after: float
    min_replicas: int

    @classmethod
    def at(cls, facts: Facts, made: Plan) -> "Look":
        """Keep what people want to know."""
        spec = facts.hold.spec
        return cls(
            made.reason,
            None if isinstance(facts.target, Missing) else facts.replicas,
            facts.ready_endpoints,
            spec.idle.after,
            spec.scaling.min_replicas,
        )

    def why(self, quiet: float | None) -> str:
        """Say it in words, so many seconds after the last request."""
        if self.reason is None:
            return ""
        words = _WORDS[self.reason]
        left = max(0.0, self.idle_after - (quiet or 0.0))
        return words.format(
            soon=soon(left), after=f"{self.idle_after:g} s", least=self.min_replicas
        )
