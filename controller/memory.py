"""What one controller remembers of a TrafficHold between two looks, and no object tells.

Losing it, as on a change of the leader, only makes a workload sleep later. No I/O, no clock: `now`
is monotonic seconds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

REFUSED_SECONDS = 60.0
"""After which a scaling that was refused is tried again: nobody tells when a role changes."""


@dataclass(slots=True)
class Memory:
    """Of one TrafficHold."""

    up_since: float | None = None
    wrote_at: float = -math.inf
    _refusal: str = ""
    _refused_at: float = -math.inf
    _rejected: dict[str, tuple[str, float]] = field(default_factory=dict)

    def seen(self, replicas: int, now: float) -> float:
        """Note how many replicas are asked for; return the seconds since they were last none."""
        if replicas == 0:
            self.up_since = None
            return 0.0
        if self.up_since is None:
            self.up_since = now
        return now - self.up_since

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
        """Return the seconds until what was refused is to be tried again."""
        times = [at for _, at in self._rejected.values()]
        if self.refusal(now):
            times.append(self._refused_at)
        return min(times) + REFUSED_SECONDS - now if times else None
