"""How far a starting workload has come, by its pods.

Owns the reading of a pod's status. Must not know what a mark is for. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from telemetry.cold_start import Mark

Pod = Mapping[str, Any]


def marks(pods: Iterable[Pod]) -> Iterator[Mark]:
    """Return the marks that the quickest of the pods has reached; those that end are none."""
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if any(_is(pod, "PodScheduled") for pod in alive):
        yield Mark.SCHEDULED
    if any(_runs(pod) for pod in alive):
        yield Mark.STARTED
    if any(_is(pod, "Ready") for pod in alive):
        yield Mark.READY


def _is(pod: Pod, condition: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


def _runs(pod: Pod) -> bool:
    """Whether all containers run; those that prepare them have ended then, or are sidecars."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return bool(containers) and all((each.get("state") or {}).get("running") for each in containers)
