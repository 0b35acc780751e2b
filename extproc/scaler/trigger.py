"""What a trigger of type `external-push` in a ScaledObject says: which TrafficHold, which target.

Its metadata are strings, written by the controller, or by a person. Pure. Must not know the demand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import isfinite

from feed.board import HoldName

TRAFFIC_HOLD = "trafficHold"
POLLING_INTERVAL = "pollingInterval"
POLLING_INTERVAL_SECONDS = 30.0
"""KEDA's own, where a ScaledObject says nothing."""


class TriggerError(Exception):
    """A trigger that cannot be understood, with what to write instead."""


class Measure(Enum):
    """What a workload is scaled by; the value is the metric's name in the autoscaler."""

    CONCURRENCY = "layby-concurrency"
    RATE = "layby-rate"


_TARGETS = {"concurrency": Measure.CONCURRENCY, "requestsPerSecond": Measure.RATE}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that was understood.

    Args:
        hold: whose demand it is about.
        polling_interval: seconds between two questions of KEDA whether the workload is wanted.
        measure: what to scale by.
        target: how much of it one replica should carry.
    """

    hold: HoldName
    polling_interval: float
    measure: Measure
    target: float

    @classmethod
    def parse(cls, name: str, namespace: str, metadata: Mapping[str, str]) -> "Trigger":
        """Read the trigger of the ScaledObject of this name.

        Raises:
            TriggerError: some of it makes no sense.
        """
        given = [key for key in _TARGETS if key in metadata]
        if len(given) != 1:
            raise TriggerError(
                f"give exactly one of {' and '.join(_TARGETS)} in the trigger's metadata, "
                f"not {' and '.join(given) or 'neither'}"
            )
        (key,) = given
        return cls(
            hold_of(name, namespace, metadata),
            _positive(metadata, POLLING_INTERVAL, POLLING_INTERVAL_SECONDS),
            _TARGETS[key],
            _positive(metadata, key),
        )


def hold_of(name: str, namespace: str, metadata: Mapping[str, str]) -> HoldName:
    """Whose demand it is about; left out, the TrafficHold has the ScaledObject's name."""
    return HoldName(namespace, metadata.get(TRAFFIC_HOLD) or name)


def _positive(metadata: Mapping[str, str], key: str, default: float | None = None) -> float:
    text = metadata.get(key)
    if text is None and default is not None:
        return default
    try:
        number = float(text or "")
    except ValueError:
        number = 0.0
    if not (isfinite(number) and number > 0):
        raise TriggerError(f"{key} in the trigger's metadata is {text!r}: write a number above 0")
    return number
