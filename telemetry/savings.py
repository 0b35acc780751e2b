"""What is saved while workloads are at zero: time, and an estimate of the CPU for it.

Owns the account. Must not know how replicas are read. Pure: time is an argument, in monotonic
seconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from telemetry.store import HoldName, Labels

_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_SUFFIXES: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(slots=True)
class _Account:
    cores: float = 0.0
    since: float | None = None
    """From when on it is at zero, as far as it is not counted yet."""
    seconds: float = 0.0
    core_seconds: float = 0.0

    def settle(self, now: float) -> None:
        """Count what has passed."""
        if self.since is not None:
            self.seconds += now - self.since
            self.core_seconds += (now - self.since) * self.cores
            self.since = now


class Savings:
    """The time at zero of each workload, since this process began to look."""

    def __init__(self) -> None:
        self._accounts: dict[HoldName, _Account] = {}

    def saw(self, hold: HoldName, replicas: int, cores: float, now: float) -> None:
        """A workload has so many replicas; if it were up, it would request so many cores."""
        account = self._accounts.setdefault(hold, _Account())
        account.settle(now)
        account.cores = cores
        account.since = None if replicas else now

    def stop(self, now: float) -> None:
        """Nobody looks any more. What was counted stays."""
        for account in self._accounts.values():
            account.settle(now)
            account.since = None

    def retain(self, holds: set[HoldName]) -> None:
        """Forget all other workloads: they are gone."""
        for hold in self._accounts.keys() - holds:
            del self._accounts[hold]

    def seconds(self, now: float) -> Iterable[tuple[Labels, float]]:
        """Return the time at zero of each workload."""
        for hold, account in self._accounts.items():
            account.settle(now)
            yield hold, account.seconds

    def core_seconds(self, now: float) -> Iterable[tuple[Labels, float]]:
        """Return what that time would have taken of the CPU."""
        for hold, account in self._accounts.items():
            account.settle(now)
            yield hold, account.core_seconds


def requested_cores(pod: Mapping[str, Any]) -> float:
    """Return the CPU that the scheduler sets aside for a pod, by its spec (KEP-753's rule).

    0 if it requests none, or says so in a way that is not understood: this is an estimate.
    """
    running = sum(_cores(each) for each in pod.get("containers") or ())
    sidecars = most = 0.0
    for each in pod.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            sidecars += _cores(each)
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + _cores(each))
    overhead = _quantity((pod.get("overhead") or {}).get("cpu"))
    return max(running + sidecars, most) + overhead


def _cores(container: Mapping[str, Any]) -> float:
    resources = container.get("resources") or {}
    request = (resources.get("requests") or {}).get("cpu")
    # What has a limit and no request has the limit for a request.
    return _quantity(request if request is not None else (resources.get("limits") or {}).get("cpu"))


def _quantity(value: object) -> float:
    match = _QUANTITY.fullmatch(str(value)) if value is not None else None
    if match is None or match[2] not in _SUFFIXES:
        return 0.0
    try:
        return float(match[1]) * _SUFFIXES[match[2]]
    except ValueError:
        return 0.0
