"""How a held request ends: the closed set that metrics, traces and answers are keyed by.

Must not know how an ending is said in HTTP or gRPC.
"""

from dataclasses import dataclass
from enum import StrEnum

from extproc.core.fallback import NO_FALLBACK, Fallback


class Outcome(StrEnum):
    """The ending of one request at a hold server; the value is its metric label."""

    READY = "ready"
    """Endpoints were there on arrival: it went on without waiting."""
    RELEASED = "released"
    """It waited, endpoints came, it went on."""
    SHED = "shed"
    """A bound was reached: refused on arrival."""
    EXPIRED = "expired"
    """The hold's timeout passed first."""
    HOPELESS = "hopeless"
    """The workload cannot start."""
    ABANDONED = "abandoned"
    """The client left."""
    DRAINED = "drained"
    """This hold server is going away."""
    UNMANAGED = "unmanaged"
    """No hold is declared for its workload: it went on."""
    PROBED = "probed"
    """A health probe, answered here so that it wakes nothing."""


class Cause(StrEnum):
    """Why a request was not forwarded, as `x-layby-reason` says it."""

    NONE = ""
    QUEUE_FULL = "queue-full"
    SERVER_FULL = "server-full"
    TIMEOUT = "timeout"
    CANNOT_START = "cannot-start"
    DRAINING = "draining"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with what its answer needs.

    Args:
        outcome: how it ended.
        cause: the bounded reason, for machines.
        detail: the reason in words, for people; may quote a workload's own last words.
        retry_after: seconds after which another try is likely to succeed, where known.
        status: the HTTP status of a probe's answer.
        fallback: what the workload's owner wants said, if its request is refused.
    """

    outcome: Outcome
    cause: Cause = Cause.NONE
    detail: str = ""
    retry_after: float | None = None
    status: int = 0
    fallback: Fallback = NO_FALLBACK
