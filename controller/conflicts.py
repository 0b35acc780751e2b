"""Who has a workload, or a Service, that several TrafficHolds want.

The older one does, and of two that are equally old the one whose name comes first. A claim counts
whether or not it can be carried out, so that nothing changes hands when another object is late.
Must not know why anyone wants anything. No I/O, no clock.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from kube.resource import Key


class Claimant(NamedTuple):
    """A TrafficHold, in the order in which claims are served."""

    created: datetime
    key: Key


class Loss(NamedTuple):
    """What another TrafficHold has."""

    winner: Key
    service: str = ""
    """Empty if it is the target."""

    def __str__(self) -> str:
        return (
            f"TrafficHold {self.winner.name} is older and holds Service {self.service}: list other "
            "Services in spec.services, or delete one of the two"
            if self.service
            else f"TrafficHold {self.winner.name} is older and has the same target: "
            "delete one of the two"
        )


def lost(
    mine: Claimant,
    target: Iterable[Claimant],
    services: Mapping[str, Iterable[Claimant]],
) -> Loss | None:
    """Tell what another has, if it has any of what is claimed.

    Args:
        mine: who claims.
        target: all who claim the same target, perhaps oneself among them.
        services: all who claim each of the Services.
    """
    if older := _first(mine, target):
        return Loss(older.key)
    for service, claimants in sorted(services.items()):
        if older := _first(mine, claimants):
            return Loss(older.key, service)
    return None


def _first(mine: Claimant, claimants: Iterable[Claimant]) -> Claimant | None:
    older = [each for each in claimants if each < mine]
    return min(older, default=None)
