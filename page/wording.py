"""How times and numbers are said. Pure.

Owns the words. What is said again and again is coarse, so that it need not be sent each time.
"""

from page.snapshot import Outcome, Wake

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def ago(seconds: float) -> str:
    """Say how long ago something was."""
    if seconds < 10:  # noqa: PLR2004
        return "just now"
    if seconds < _MINUTE:
        return f"{int(seconds // 10) * 10} s ago"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} h ago"
    return f"{int(seconds // _DAY)} days ago"


def soon(seconds: float) -> str:
    """Say in what time something will be."""
    if seconds < _MINUTE:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"


def took(wake: Wake) -> str:
    """Say how long a wake took, and how it ended."""
    time = span(wake.seconds)
    match wake.outcome:
        case Outcome.GOING_ON:
            return f"waking for {time}"
        case Outcome.SUCCEEDED:
            return f"woke in {time}"
        case Outcome.FAILED:
            return f"failed after {time}"
        case Outcome.TIMED_OUT:
            return f"given up after {time}"


def span(seconds: float) -> str:
    """Say how long something took."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def rate(number: float | None) -> str:
    """Say how many there are in a second; a little is not nothing."""
    if number is None:
        return ""
    return f"{number:.1f}/s" if number == 0 or number >= 0.1 else "<0.1/s"  # noqa: PLR2004


def count(number: int | None) -> str:
    """Say a number, if it is known."""
    return "" if number is None else str(number)
