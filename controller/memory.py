"""What one controller remembers of a TrafficHold between two looks, and no object tells.

Losing it, as on a change of the leader, only makes a workload sleep later. No I/O, no clock: `now`
is monotonic seconds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.demand import Demand
from controller.dry_run import Rehearsal
from controller.last_wake import as_read
from crds.v1alpha1.traffichold import LastWake

REFUSED_SECONDS = 60.0
"""After which a scaling that was refused is tried again: nobody tells when a role changes."""

SHEDS_SECONDS = 60.0
"""For which refused requests are told together."""


@dataclass(slots=True)
class Memory:
    """Of one TrafficHold."""

    wrote_at: float = -math.inf
    rehearsal: Rehearsal | None = None
    exact_wake: LastWake | None = None
    _up_since: float | None = None
    _ready_since: float | None = None
    _sheds: int | None = None
    _told_sheds_at: float = -math.inf
    _sheds_wait: bool = False
    _refusal: str = ""
    _refused_at: float = -math.inf
    _rejected: dict[str, tuple[str, float]] = field(default_factory=dict)

    def seen(self, replicas: int, now: float) -> float:
        """Note how many replicas are asked for; return the seconds since they were last none."""
        self._up_since = _since(self._up_since, replicas, now)
        return 0.0 if self._up_since is None else now - self._up_since

    def seen_ready(self, endpoints: int, now: float) -> float:
        """Note how many endpoints are ready; return the seconds since they were last none."""
        self._ready_since = _since(self._ready_since, endpoints, now)
        return 0.0 if self._ready_since is None else now - self._ready_since

    def heard(self, told: LastWake | None, written: LastWake | None) -> None:
        """Remember a wake as it was told, if it is the one that the status is to have."""
        if told is not None and as_read(told) == written:
            self.exact_wake = told

    def shed(self, demand: Demand | None, now: float) -> int:
        """Return how many requests were refused for want of a place, if that is to be told now.

        It is told once a minute, with their number. What was before all hold servers were first
        heard was told by another leader.
        """
        if demand is None or (self._sheds is None and not demand.complete):
            return 0
        if self._sheds is None or demand.sheds < self._sheds:
            self._sheds = demand.sheds
        fresh = demand.sheds - self._sheds
        self._sheds_wait = fresh > 0 and now - self._told_sheds_at < SHEDS_SECONDS
        if not fresh or self._sheds_wait:
            return 0
        self._sheds, self._told_sheds_at = demand.sheds, now
        return fresh

    def refused(self, why: str, now: float) -> None:
        """Note that a scaling was refused."""
        self._refusal, self._refused_at = why, now

    def scaled(self) -> None:
        """Note that a scaling was not."""
        self._refusal = ""

    def refusal(self, now: float) -> str:
        """Return why a scaling was refused, if that was lately."""
        return self._refusal if now - self._refused_at < REFUSED_SECONDS else ""

    def rejected(self, digest: str, why: str, now: float) -> None:
        """Note that a write of a ScaledObject was refused."""
        self._rejected[digest] = (why, now)

    def rejections(self, now: float) -> Mapping[str, str]:
        """Return which writes of ScaledObjects were refused lately, and why."""
        self._rejected = {
            digest: (why, at)
            for digest, (why, at) in self._rejected.items()
            if now - at < REFUSED_SECONDS
        }
        return {digest: why for digest, (why, _) in self._rejected.items()}

    def retry_after(self, now: float) -> float | None:
        """Return the seconds until what was refused is to be tried again, or told."""
        times = [at for _, at in self._rejected.values()]
        if self.refusal(now):
            times.append(self._refused_at)
        ends = [at + REFUSED_SECONDS for at in times]
        if self._sheds_wait:
            ends.append(self._told_sheds_at + SHEDS_SECONDS)
        return min(ends) - now if ends else None


def _since(before: float | None, count: int, now: float) -> float | None:
    """Return since when there have been some: as before, from now, or not at all."""
    if count == 0:
        return None
    return now if before is None else before
