"""What a workload's recent cold starts say about the next one. Durations are seconds."""

import math
from collections import deque

FIRST_GUESS = 5.0
"""Before a cold start has been seen: a container on a node that has its image, roughly."""
REMEMBERED = 32
QUANTILE = 0.9
BACKOFF_CEILING = 30.0
DOUBLINGS = 30


class ColdStarts:
    """The last few cold starts of one workload, and its failed ones since the last good one."""

    def __init__(self) -> None:
        self._durations: deque[float] = deque(maxlen=REMEMBERED)
        self._failures = 0

    def succeeded(self, duration: float) -> None:
        """Remember a start that took `duration`."""
        self._durations.append(duration)
        self._failures = 0

    def failed(self, first: float = 1.0) -> float:
        """Count a failed start; return how long to refuse before the next try, doubling `first`."""
        self._failures += 1
        # Bounded before it is raised: a broken image fails for weeks, and floats overflow.
        return min(max(BACKOFF_CEILING, first), first * 2.0 ** min(self._failures - 1, DOUBLINGS))

    @property
    def expected(self) -> float:
        """How long the next start will probably take at most."""
        if not self._durations:
            return FIRST_GUESS
        ordered = sorted(self._durations)
        return ordered[math.ceil(QUANTILE * len(ordered)) - 1]

    def retry_after(self, elapsed: float) -> float:
        """When to try again, `elapsed` into the current start; at least a second."""
        return max(1.0, self.expected - elapsed)
