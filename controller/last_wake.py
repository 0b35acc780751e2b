"""Which wake was the latest, of what the status says and what hold servers tell of it.

Owns that one wake is told once, whichever of its witnesses speaks first or is gone first. Must not
know how the hold servers tell. No I/O, no clock.
"""

from datetime import UTC, datetime

from crds.v1alpha1.traffichold import LastWake
from feed.wake import Wake, WakeOutcome

_WRITTEN_SECONDS = 1.0
"""A status has whole seconds: what it says to have begun may have begun so much later."""


def last_wake(
    current: LastWake | None, told: LastWake | None, exact: LastWake | None = None
) -> LastWake | None:
    """Return the latest wake as a status has it; the current one if that is the same.

    Args:
        current: the one that the status has.
        told: the one that hold servers tell of.
        exact: the current one as it was told, if that is remembered: without it, a wake that begins
            in the second in which the current one ended is taken for that.
    """
    if told is None:
        return current
    if current is None:
        return as_read(told)
    is_exact = exact is not None and as_read(exact) == current
    before = _wake(exact) if exact and is_exact else _wake(current, _WRITTEN_SECONDS)
    now = _wake(told)
    if not before.overlaps(now):
        return as_read(told) if now.at > before.at else current
    both = before.merged(now)
    if both.outcome is before.outcome:
        return current
    # Somebody had given up on it before it became ready after all.
    at = min(now.at, before.at + _WRITTEN_SECONDS)
    when = {"at": datetime.fromtimestamp(at, UTC), "duration": now.ended - at}
    return as_read(told.model_copy(update=when))


def _wake(said: LastWake, more: float = 0.0) -> Wake:
    return Wake(said.at.timestamp(), said.duration + more, WakeOutcome(said.outcome))


def as_read(wake: LastWake) -> LastWake:
    """Return a wake as it will be read back from a status, so that the two are equal."""
    return wake.model_copy(
        update={"at": wake.at.replace(microsecond=0), "duration": round(wake.duration, 3)}
    )
