"""What a hold server is told about a workload, and what it sees of a request.

Values only. Must not know where they were read from.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from extproc.core.fallback import NO_FALLBACK, Fallback
from extproc.core.probe import ProbeRule


class WorkloadKey(NamedTuple):
    """A workload's identity; where it is reached on several ports, each is ready by itself."""

    namespace: str
    name: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" + (f" ({self.port})" if self.port else "")

    @property
    def without_port(self) -> tuple[str, str]:
        """What all its ports have in common."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Hold:
    """How requests for a workload are held.

    Args:
        timeout: seconds that one request may wait.
        max_pending: requests that may wait at once on one hold server, on all ports together.
        release_rate: requests let go per second and ready endpoint; None lets all go at once.
        fallback: what a client is told whose request is not served.
    """

    timeout: float = 60.0
    max_pending: int = 1000
    release_rate: float | None = None
    fallback: Fallback = NO_FALLBACK


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload that may be at zero.

    Args:
        key: its identity.
        hold: how requests for it are held.
        probes: requests that are no demand.
        backoff: seconds for which a failed start is the answer to all requests; doubles with each
            further one.
        rehearsed: whether requests for it go on at once: it is only to be known how many there are.
    """

    key: WorkloadKey
    hold: Hold = field(default_factory=Hold)
    probes: tuple[ProbeRule, ...] = ()
    backoff: float = 1.0
    rehearsed: bool = False


class Chance(NamedTuple):
    """Which of the gate's hold filters asks, counted from 1, and how many there are."""

    number: int = 1
    total: int = 1

    @property
    def is_last(self) -> bool:
        """Whether Envoy will route the request next, whatever the answer."""
        return self.number >= self.total
