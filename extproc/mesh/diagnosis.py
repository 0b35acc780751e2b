"""Why a workload that is waking will not come up, by its pods, its conditions and its Events.

What Kubernetes would try for ever is no reason to keep a request waiting for a minute. Must not
know who waits. Times are as the API writes them, and `now` is their clock.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kube.resource import Object

UNSCHEDULABLE_GRACE = timedelta(seconds=30)
"""An autoscaler of nodes may be at work; it usually takes longer, but then patience is asked for
with a longer hold.timeout all the same."""
HOPELESS_WAITING = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of kubelet (pkg/kubelet/images, pkg/kubelet/container) that waiting does not cure."""

CREATED, NOT_CREATED = "SuccessfulCreate", "FailedCreate"
"""What whoever makes a workload's pods tells of it (k8s.io/kubernetes pkg/controller)."""


def diagnose(target: Object | None, pods: Iterable[Object], now: datetime) -> str | None:
    """Say why the workload cannot start; None while there is hope."""
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if any(_is_ready(pod) for pod in alive):
        return None
    reasons = [next(_of_pod(pod, now), "") for pod in alive]
    if alive and not all(reasons):
        # One of them may come up: of a corrected template, or the first that a quota lets in.
        return None
    return next(iter((*_of_target(target), *reasons)), None)


def refused(events: Iterable[Object], since: datetime | None) -> str | None:
    """Say why no pod can be made, by the newest word on it; None if there is none since then.

    A StatefulSet has no condition that would tell. To be asked where there is no pod at all.
    """
    told = [(_moment(each), each) for each in events if each["reason"] in {CREATED, NOT_CREATED}]
    at, last = max(told, key=lambda pair: pair[0], default=(None, None))
    if at is None or last is None or (since and at < since) or last["reason"] == CREATED:
        return None
    return _said(NOT_CREATED, last.get("note"))


def _is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in _conditions(pod))


def _of_target(target: Object | None) -> Iterator[str]:
    """Such as a quota that leaves no room: the pods are never made."""
    for condition in _conditions(target or {}):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield _said(condition.get("reason", "ReplicaFailure"), condition.get("message"))


def _of_pod(pod: Object, now: datetime) -> Iterator[str]:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in HOPELESS_WAITING:
                last = (container.get("lastState") or {}).get("terminated") or {}
                ended = f"exit code {last['exitCode']}" if "exitCode" in last else ""
                words = " ".join(filter(None, (ended, waiting.get("message"))))
                yield _said(f"{container['name']}: {waiting['reason']}", words)
    for condition in _conditions(pod):
        unscheduled = condition["type"] == "PodScheduled" and condition["status"] == "False"
        if unscheduled and condition.get("reason") == "Unschedulable":
            since = datetime.fromisoformat(condition["lastTransitionTime"])
            if now - since >= UNSCHEDULABLE_GRACE:
                yield _said("Unschedulable", condition.get("message"))


def _moment(event: Object) -> datetime:
    """When it was last seen: whoever tells it in the old way has no series."""
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp")
    return datetime.fromisoformat(
        seen or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    )


def _conditions(item: Object) -> Iterable[Object]:
    return (item.get("status") or {}).get("conditions") or ()


def _said(reason: str, message: str | None) -> str:
    return f"{reason}: {message}" if message else reason
