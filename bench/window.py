"""Requests lost to the moment in which Envoy's workers lag behind its main thread, by moments.

Owns what that window explains (ARCHITECTURE.md, "The window that remains"). Must not know how the
requests were sent, so that it can be tried without a client.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bench.client import Response

WINDOW_SECONDS = 0.05
"""Requests for one workload that were sent this near to one another met the same window."""
NEVER_HELD_SECONDS = 0.2
"""An answer that took longer may have come after a hold, and that is a mistake of ours."""
MOST_WINDOWS = 2
"""How many of them a few hundred wakes on a busy machine of two cores may meet."""
SAID = "no healthy upstream"


class Lost(NamedTuple):
    """A request that was not served: for whom, when it was sent, how it ended."""

    workload: str
    sent_at: float
    seconds: float
    status: int
    said: str

    @classmethod
    def of(cls, workload: str, response: "Response") -> "Lost":
        """Describe a client's answer."""
        took = response.answered_at - response.sent_at
        said = response.body.decode(errors="replace")
        return cls(workload, response.sent_at, took, response.status, said)


def windows(lost: Iterable[Lost]) -> int:
    """Count the moments in which requests were lost, however many each of them cost."""
    count, begun = 0, ("", 0.0)
    for one in sorted(lost):
        workload, at = begun
        if not count or one.workload != workload or one.sent_at - at > WINDOW_SECONDS:
            count, begun = count + 1, (one.workload, one.sent_at)
    return count


def unexplained(lost: Iterable[Lost]) -> list[Lost]:
    """Return the requests that the window does not explain."""
    return [
        one
        for one in lost
        if one.status != 503 or SAID not in one.said or one.seconds > NEVER_HELD_SECONDS
    ]
