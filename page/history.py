"""The latest wakes of each workload, as long as this process lives.

Must not know who saw them. Bounded: few wakes of each workload there is.
"""

from collections import deque
from collections.abc import Set as AbstractSet

from page.snapshot import Name, Wake

KEPT = 5
"""Wakes of each workload."""


class History:
    """Remembers wakes that have ended."""

    def __init__(self) -> None:
        self._wakes: dict[Name, deque[Wake]] = {}

    def saw(self, name: Name, wake: Wake) -> None:
        """Remember a wake; told of again, perhaps by another witness, it is still one."""
        known = self._wakes.setdefault(name, deque(maxlen=KEPT))
        if known and wake.at + wake.seconds < known[0].at:
            return  # older news than what is there
        if known and wake.at <= known[0].at + known[0].seconds:
            known[0] = wake
        else:
            known.appendleft(wake)

    def of(self, name: Name) -> tuple[Wake, ...]:
        """Return the wakes of a workload, the latest first."""
        return tuple(self._wakes.get(name, ()))

    def retain(self, names: AbstractSet[Name]) -> None:
        """Forget all other workloads: they are gone."""
        for name in self._wakes.keys() - names:
            del self._wakes[name]
