"""Whose turn it is to lead, as far as one candidate can tell from a Lease.

Owns the rules of client-go's leader election and the form of the object. No I/O, no clock: time
is an argument. Must not know what leading is good for.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kube.resource import Key, Object

_RELEASED_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Lease says."""

    holder: str
    """Empty if nobody leads."""
    seconds: float
    renewed: str
    transitions: int
    acquired: str
    version: str
    """Of the object, which whoever takes it has to name."""

    @classmethod
    def read(cls, item: Object) -> "Claim":
        """Read a Lease."""
        spec = item.get("spec") or {}
        return cls(
            spec.get("holderIdentity") or "",
            float(spec.get("leaseDurationSeconds") or 0),
            spec.get("renewTime") or "",
            int(spec.get("leaseTransitions") or 0),
            spec.get("acquireTime") or "",
            item["metadata"]["resourceVersion"],
        )


class Observer:
    """What one candidate has seen of a Lease, by its own clock.

    The times in a Lease are another machine's. All they are good for is to see that they change.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._claim: Claim | None = None
        self._seen_at = -math.inf

    @property
    def holder(self) -> str:
        """Who held it when it was last seen; empty if nobody did."""
        return self._claim.holder if self._claim else ""

    def free_at(self, claim: Claim, now: float) -> float:
        """Tell when a Lease, which is like this now, may be taken."""
        if claim != self._claim:
            self._claim, self._seen_at = claim, now
        if claim.holder in {"", self._identity}:
            return now
        return self._seen_at + claim.seconds


@dataclass(frozen=True, slots=True)
class Deed:
    """Makes the Leases of one candidate."""

    key: Key
    identity: str
    seconds: float

    def taken(self, at: datetime, before: Claim | None) -> Object:
        """Return the Lease of one who leads from now on, or still does."""
        if before is not None and before.holder == self.identity:
            return self._lease(at, before.acquired or _time(at), before.transitions, before.version)
        transitions = before.transitions + 1 if before else 0
        return self._lease(at, _time(at), transitions, before.version if before else "")

    def released(self, at: datetime, before: Claim) -> Object:
        """Return the Lease that the next may take at once."""
        lease = self._lease(at, _time(at), before.transitions, before.version)
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": _RELEASED_SECONDS}
        return {**lease, "spec": spec}

    def _lease(self, at: datetime, acquired: str, transitions: int, version: str) -> Object:
        metadata: dict[str, Any] = {"namespace": self.key.namespace, "name": self.key.name}
        if version:
            metadata["resourceVersion"] = version
        return {
            "metadata": metadata,
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": math.ceil(self.seconds),
                "acquireTime": acquired,
                "renewTime": _time(at),
                "leaseTransitions": transitions,
            },
        }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
