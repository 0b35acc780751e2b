"""How long to wait after a failure.

Owns the arithmetic. Must not know what failed, and does not wait itself.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays that double up to a limit, each shortened at random by up to a half.

    Whoever lost the same server at the same time would otherwise come back at the same time.
    """

    first: float = 0.1
    limit: float = 10.0
    random: Callable[[], float] = random.random
    failures: int = 0
    """In a row."""

    def next(self) -> float:
        """Count a failure, and return the seconds to wait."""
        delay = delay_after(self.failures, self.first, self.limit)
        self.failures += 1
        return delay * (1 - self.random() / 2)

    def reset(self) -> None:
        """Forget the failures: it works."""
        self.failures = 0


def delay_after(failures: int, first: float, limit: float) -> float:
    """Return the longest delay after so many failures before this one."""
    # The exponent is bounded because a float is.
    return min(limit, first * 2.0 ** min(failures, 64))
