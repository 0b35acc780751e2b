"""The sum of what the hold servers report, and whether it is the whole of it.

Pure: `now` is monotonic seconds. Must not know how reports come.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from feed.start import Start, latest
from feed.wake import Wake, last_wake

STALE_SECONDS = 5.0
"""A hold server says something every two; one that has been silent for so long is not known."""
YOUNG_SECONDS = 20.0
"""An account younger than that may not know of all requests in flight: Envoy names those that last
every few seconds only, and tells one hold server."""

_RESTART_SECONDS = 1.0
"""An account that began so much later than the last one from there is another one."""


class HoldName(NamedTuple):
    """A TrafficHold."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """One hold server's part of the demand for a hold.

    Args:
        pending: requests parked.
        in_flight: requests open, those parked among them.
        rate: requests per second over the last minute.
        last_request: when the last one came; None if none has.
        waking: whether the workload is being woken.
        last_wake: the latest wake that has ended.
        requests: how many have been opened since the account began.
        sheds: how many were refused for want of a place since then.
        start: the latest cold start, if it goes on or has just ended.
    """

    pending: int = 0
    in_flight: int = 0
    rate: float = 0.0
    last_request: float | None = None
    waking: bool = False
    last_wake: Wake | None = None
    requests: int = 0
    sheds: int = 0
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    shares: Mapping[HoldName, Share]
    heard_at: float
    began_at: float


class Board:
    """The latest report of each hold server."""

    def __init__(self) -> None:
        self._reports: dict[str, _Report] = {}
        self._ended: dict[HoldName, Share] = {}
        """What hold servers had counted that are gone, so that sums do not fall, and when the last
        request came that they knew of."""
        self._expected: frozenset[str] | None = None
        self._lost_at: float | None = None
        self._broken_at: float | None = None
        self._reported_at: float | None = None

    def expect(self, replicas: Collection[str], now: float) -> None:
        """These are the hold servers there are; the parts of all others are dropped."""
        self._expected = frozenset(replicas)
        for replica in self._reports.keys() - self._expected:
            self._lose(self._reports.pop(replica), now)
            # Its Envoys have yet to tell another about the requests that are in flight.
            self._lost_at = now

    def knows(self, replica: str) -> bool:
        """Whether a hold server has ever reported, and is still there."""
        return replica in self._reports

    def hear(
        self,
        replica: str,
        shares: Mapping[HoldName, Share],
        account_age: float,
        now: float,
        *,
        log_streams: int,
    ) -> None:
        """A hold server reports; a report is whole, and replaces its last one."""
        last = self._reports.get(replica)
        began_at = now - account_age
        if last is not None and began_at - last.began_at > _RESTART_SECONDS:
            self._lose(last, now)
        self._reports[replica] = _Report(shares, now, began_at)
        if log_streams > 0 and self._reported_at is None:
            self._reported_at = now

    def complete(self, now: float) -> bool:
        """Whether the sum is the whole.

        Every hold server has been heard, and for long enough, and one of them hears from an Envoy.
        """
        if not self._expected or not self.reported:
            return False
        if self._lost_at is not None and now - self._lost_at < YOUNG_SECONDS:
            return False
        reports = [self._reports.get(replica) for replica in self._expected]
        return all(
            report is not None
            and now - report.heard_at < STALE_SECONDS
            and now - report.began_at >= YOUNG_SECONDS
            for report in reports
        )

    @property
    def heard(self) -> bool:
        """Whether a hold server said that an Envoy has told it of requests."""
        return self._reported_at is not None

    @property
    def reported(self) -> bool:
        """Whether any Envoy has ever told a hold server that there is of requests.

        If none has, silence is no sign of workloads that nobody needs: the Envoys may not have the
        gate. What ended counts, be it a stream or a hold server: Envoy opens the next stream with
        its next entry, and in a quiet mesh that may be hours later.
        """
        expected = self._expected or ()
        return self.heard or not expected or not all(map(self.knows, expected))

    def unbroken(self, now: float) -> float:
        """Seconds since an account was last lost, with what it knew and had not told."""
        return inf if self._broken_at is None else now - self._broken_at

    def settled(self, now: float) -> float:
        """Seconds since a hold server came or went, or an Envoy's first report.

        If the sum is not whole 20 s after these, it is for a hold server that is silent.
        """
        moments = [report.began_at for report in self._reports.values()]
        moments += [at for at in (self._broken_at, self._reported_at) if at is not None]
        return min((now - at for at in moments), default=inf)

    def silence(self, now: float) -> float:
        """Since when the one that has been silent longest was heard; infinite if one never was."""
        reports = [self._reports.get(replica) for replica in self._expected or ()]
        return max((now - each.heard_at if each else inf for each in reports), default=inf)

    def youngest(self, now: float) -> float | None:
        """The age of the youngest account; None if no hold server has been heard."""
        return min((now - report.began_at for report in self._reports.values()), default=None)

    def holds(self) -> set[HoldName]:
        """The holds for which there has been any demand."""
        return {hold for report in self._reports.values() for hold in report.shares}

    def total(self, hold: HoldName) -> Share:
        """The sum over all hold servers, as last heard."""
        total = combined([r.shares[hold] for r in self._reports.values() if hold in r.shares])
        if hold not in self._ended:
            return total
        return combined([total, self._ended[hold]])

    def forget(self, hold: HoldName) -> None:
        """Forget what hold servers that are gone had counted for a hold that is gone too."""
        self._ended.pop(hold, None)

    def _lose(self, report: _Report, now: float) -> None:
        """Remember what a hold server has counted that is gone, or has begun anew."""
        self._broken_at = now
        for hold, share in report.shares.items():
            last = now if share.in_flight else share.last_request
            counted = Share(last_request=last, requests=share.requests, sheds=share.sheds)
            self._ended[hold] = combined([self._ended.get(hold, Share()), counted])


def combined(shares: Sequence[Share]) -> Share:
    """Sum up the shares of one hold."""
    times = [share.last_request for share in shares if share.last_request is not None]
    return Share(
        sum(share.pending for share in shares),
        sum(share.in_flight for share in shares),
        sum(share.rate for share in shares),
        max(times, default=None),
        any(share.waking for share in shares),
        last_wake([share.last_wake for share in shares if share.last_wake]),
        sum(share.requests for share in shares),
        sum(share.sheds for share in shares),
        latest([share.start for share in shares if share.start]),
    )
