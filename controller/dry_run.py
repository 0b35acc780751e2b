"""What a workload would have done if its requests were held: the account that spec.dryRun asks for.

Owns when it would have slept, whom that would have kept waiting, and what it would have saved. Must
not know how any of it is told. No I/O, no clock: times are seconds since the epoch.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.sleep import Reason
from crds.v1alpha1.dry_run import MOST_SECONDS, DryRun
from crds.v1alpha1.traffichold import LastWake, WakeOutcome

FIRST_GUESS_SECONDS = 5.0
"""What a start takes of which none has been seen, roughly."""
LOOK_SECONDS = 900.0
"""Between two looks at one that would be asleep: for what it saves, nothing else tells."""
_SLEEPERS = frozenset({Reason.DRY_RUN, Reason.DEMAND_UNKNOWN})
"""What is at zero already stays there, whether or not all hold servers are heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is seen of a workload at one moment.

    Args:
        at: that moment.
        reason: why it is put to sleep, or why not.
        replicas: how many there are.
        requests: how many there have been, counted from anywhere.
        quiet: seconds since the last one.
        start: seconds that it would take to start.
    """

    at: float
    reason: Reason
    replicas: int
    requests: int
    quiet: float
    start: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The account, at some moment.

    Args:
        at: that moment.
        since: when it was begun.
        sleeps: how often it would have been put to sleep.
        requests: how many requests would have waited.
        saved: seconds that replicas would not have run, of all together.
        asleep: whether it would be asleep.
        counted: the requests there had been when it would have fallen asleep.
        up_at: when it would be up again, while it would be starting.
    """

    at: float
    since: float
    sleeps: int = 0
    requests: int = 0
    saved: float = 0.0
    asleep: bool = False
    counted: int = 0
    up_at: float | None = None

    @property
    def again_after(self) -> float | None:
        """Seconds until time alone changes it."""
        if self.up_at is not None:
            return max(0.0, self.up_at - self.at)
        return LOOK_SECONDS if self.asleep else None

    def told(self) -> DryRun:
        """Return the account as a status tells it."""
        return DryRun(
            since=datetime.fromtimestamp(int(self.since), UTC),
            asleep=self.asleep,
            sleeps=self.sleeps,
            requests=self.requests,
            saved=float(min(int(self.saved), MOST_SECONDS)),
        )


def begun(told: DryRun | None, now: float, requests: int) -> Rehearsal:
    """Begin an account, or go on with the one that a status tells."""
    if told is None:
        return Rehearsal(at=now, since=now)
    return Rehearsal(
        at=now,
        since=told.since.timestamp(),
        sleeps=told.sleeps,
        requests=told.requests,
        saved=told.saved,
        asleep=told.asleep,
        counted=requests,
    )


def rehearse(before: Rehearsal, seen: Sight) -> Rehearsal:
    """Return the account as it is now."""
    # A hold server that begins anew counts from zero.
    now = replace(before, at=seen.at, counted=min(before.counted, seen.requests))
    if now.up_at is not None:
        return _starting(now, seen)
    if now.asleep:
        return _asleep(before.at, now, seen)
    if seen.reason is Reason.DRY_RUN:
        return replace(now, asleep=True, sleeps=now.sleeps + 1, counted=seen.requests)
    return now


def start_seconds(wake: LastWake | None) -> float:
    """Return how long a start would take, by the latest one."""
    if wake is None or wake.outcome is not WakeOutcome.SUCCEEDED:
        return FIRST_GUESS_SECONDS
    return wake.duration


def _asleep(before: float, now: Rehearsal, seen: Sight) -> Rehearsal:
    came = seen.requests > now.counted
    # Not before the last look; and clocks are put back at times.
    until = max(before, seen.at - seen.quiet if came else seen.at)
    now = replace(now, saved=now.saved + (until - before) * seen.replicas)
    if came:
        # The first of them would have woken it.
        return _starting(replace(now, asleep=False, up_at=until + seen.start), seen)
    return now if seen.reason in _SLEEPERS else replace(now, asleep=False)


def _starting(now: Rehearsal, seen: Sight) -> Rehearsal:
    if now.up_at is not None and seen.at < now.up_at:
        return now
    waited = seen.requests - now.counted
    return replace(now, up_at=None, requests=now.requests + waited)
