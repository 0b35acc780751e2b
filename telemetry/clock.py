"""Two clocks read together: the one that Layby decides by, and the one on the wall.

Owns the conversion. Must not know what is timed.
"""

import time
from collections.abc import Callable


class Clock:
    """Tells when something happened that was timed by the event loop's clock.

    Args:
        now: monotonic seconds.
        wall: nanoseconds since the epoch. It may be set back or forward at any time, so that the
            difference of the two is never kept.
    """

    def __init__(self, now: Callable[[], float], wall: Callable[[], int] = time.time_ns) -> None:
        self.now = now
        self._wall = wall

    def nanoseconds(self, at: float) -> int:
        """When `at` was, in nanoseconds since the epoch."""
        return self._wall() - int((self.now() - at) * 1e9)
