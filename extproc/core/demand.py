"""The demand for one workload: what waits, what runs, how often it is asked, when it was last.

Fed with what was parked and with Envoy's access logs; must not know which is which. `now` is
monotonic seconds.
"""

from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass

RATE_WINDOW = 60
"""Seconds over which the request rate is averaged."""
FORGOTTEN_AFTER = 30.0
"""An in-flight request that no log entry has named for so long has ended unseen: access logs may
be dropped. Longer than several of Envoy's periodic flush intervals."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand at one moment.

    Args:
        pending: requests parked here.
        in_flight: requests that Envoy has open for the workload, those parked among them.
        rate: requests per second over the last minute.
        last_request: when the last request came or was seen open.
        requests: how many Envoy has opened since the account began.
    """

    pending: int
    in_flight: int
    rate: float
    last_request: float
    requests: int = 0

    def is_idle(self, after: float, now: float) -> bool:
        """Whether nothing waits, nothing runs, and nothing came for `after` seconds."""
        return not self.pending and not self.in_flight and now - self.last_request >= after


class DemandWindow:
    """The running account of one workload's demand, beginning at `now`."""

    def __init__(self, now: float) -> None:
        self._open: OrderedDict[str, float] = OrderedDict()
        """When each was last named, those that were longest ago first."""
        self._buckets: deque[list[int]] = deque()
        self._last_request = now
        self._requests = 0
        self.touched = False
        """Whether there has been any demand at all."""

    def asked(self, now: float) -> None:
        """A request came that no access log will report as started."""
        self.touched = True
        self._last_request = max(self._last_request, now)

    def started(self, stream: str, now: float) -> None:
        """Envoy opened `stream` for the workload."""
        self._named(stream, now)
        self._requests += 1
        self.asked(now)
        second = int(now)
        if self._buckets and self._buckets[-1][0] >= second:
            self._buckets[-1][1] += 1
        else:
            self._buckets.append([second, 1])
            self._forget_buckets(second)

    def continued(self, stream: str, now: float) -> None:
        """`stream` is still open; it may have begun before this account did."""
        self._named(stream, now)
        self.asked(now)

    def ended(self, stream: str, now: float) -> None:
        """`stream` has ended; ending twice, or one never seen, is harmless."""
        if self._open.pop(stream, None) is not None:
            self.asked(now)

    @property
    def open(self) -> int:
        """How many requests are remembered as open."""
        return len(self._open)

    def forget(self, number: int) -> None:
        """Forget so many of the open requests: those that were not named for longest."""
        for _ in range(number):
            self._open.popitem(last=False)

    def read(self, pending: int, now: float) -> Demand:
        """The demand now, with `pending` requests parked."""
        while self._open and now - next(iter(self._open.values())) > FORGOTTEN_AFTER:
            self._open.popitem(last=False)
        self._forget_buckets(int(now))
        rate = sum(count for _, count in self._buckets) / RATE_WINDOW
        in_flight = len(self._open) + pending
        return Demand(pending, in_flight, rate, self._last_request, self._requests)

    def _named(self, stream: str, now: float) -> None:
        self._open[stream] = now
        self._open.move_to_end(stream)

    def _forget_buckets(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - RATE_WINDOW:
            self._buckets.popleft()


def keep_bound(windows: Collection[DemandWindow], most: int) -> None:
    """Have no more than `most` open requests be remembered, of all workloads together.

    It is the workload with most of them that has some forgotten: whoever makes up requests for one
    workload does not have those for another forgotten. One that is still open, as is said of it
    every few seconds, is then remembered again.
    """
    excess = sum(window.open for window in windows) - most
    while excess > 0:
        largest = max(windows, key=lambda window: window.open)
        number = min(excess, largest.open)
        largest.forget(number)
        excess -= number
