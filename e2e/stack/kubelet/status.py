"""What a pod's status says, from what its containers are at. Pure: no clock, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from e2e.stack.kubelet.client import Object

ADDRESS = "192.0.2.8"
"""The node's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run, and why."""

    reason: str = "ContainerCreating"
    message: str = ""

    def render(self) -> Object:
        """Render a `ContainerState`."""
        said = {"message": self.message} if self.message else {}
        return {"waiting": {"reason": self.reason, **said}}


@dataclass(frozen=True, slots=True)
class Running:
    """A container that runs."""

    since: str

    def render(self) -> Object:
        """Render a `ContainerState`."""
        return {"running": {"startedAt": self.since}}


@dataclass(frozen=True, slots=True)
class Ended:
    """A container that ran."""

    code: int
    at: str

    def render(self) -> Object:
        """Render a `ContainerState`."""
        exit_code = self.code if self.code >= 0 else 128 - self.code
        reason = "Completed" if exit_code == 0 else "Error"
        return {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": self.at}}


@dataclass(frozen=True, slots=True)
class Container:
    """One container's state."""

    state: Waiting | Running | Ended = Waiting()
    ready: bool = False
    restarts: int = 0
    last: Ended | None = None

    def started(self, now: str, *, ready: bool) -> "Container":
        """It runs."""
        return replace(self, state=Running(now), ready=ready)

    def ended(self, code: int, now: str) -> "Container":
        """It has ended by itself."""
        end = Ended(code, now)
        return replace(self, state=end, ready=False, last=end)

    def render(self, spec: Mapping[str, Any]) -> Object:
        """Render a `ContainerStatus`."""
        return {
            "name": spec["name"],
            "image": spec.get("image", ""),
            "imageID": "",
            "ready": self.ready,
            "started": isinstance(self.state, Running),
            "restartCount": self.restarts,
            "state": self.state.render(),
            "lastState": self.last.render() if self.last else {},
        }


def phase(states: Sequence[Container], policy: str) -> str:
    """Sum up the containers of a pod."""
    if policy != "Always" and all(isinstance(c.state, Ended) for c in states):
        failed = any(isinstance(c.state, Ended) and c.state.code for c in states)
        return "Failed" if failed else "Succeeded"
    if all(isinstance(c.state, Waiting) and not c.restarts for c in states):
        return "Pending"
    return "Running"


def render(
    pod: Object, containers: Mapping[str, Container], address: str | None, now: str
) -> Object:
    """Render a pod's status; conditions that do not change keep their time."""
    spec = pod["spec"]
    states = list(containers.values())
    ready = all(container.ready for container in states)
    unready = [name for name, container in containers.items() if not container.ready]
    why = {"reason": "ContainersNotReady", "message": f"containers with unready status: {unready}"}
    known = {c["type"]: c for c in pod.get("status", {}).get("conditions", ())}

    def condition(kind: str, *, holds: bool) -> Object:
        status = "True" if holds else "False"
        before = known.get(kind, {})
        same = before.get("status") == status
        changed = before.get("lastTransitionTime", now) if same else now
        extra = {} if holds else why
        return {"type": kind, "status": status, "lastTransitionTime": changed, **extra}

    where = {"podIP": address, "podIPs": [{"ip": address}]} if address else {}
    return {
        "phase": phase(states, spec.get("restartPolicy", "Always")),
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        **where,
        "startTime": pod.get("status", {}).get("startTime", now),
        "conditions": [
            condition("PodScheduled", holds=True),
            condition("Initialized", holds=True),
            condition("ContainersReady", holds=ready),
            condition("Ready", holds=ready),
        ],
        "containerStatuses": [
            containers[container["name"]].render(container) for container in spec["containers"]
        ],
    }
