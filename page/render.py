"""The page as HTML, as an event, and as JSON.

Owns the templates. All text is escaped: much of it is somebody else's. Must not know HTTP.
"""

import json
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from page.snapshot import Snapshot, Wake, Workload
from page.view import view


@dataclass(frozen=True, slots=True)
class Rendering:
    """A snapshot in all the forms that somebody may ask for."""

    page: bytes
    main: str
    """The part of the page that changes."""
    event: bytes
    """The same for those who look on."""
    json: bytes


class Renderer:
    """Makes renderings. Thread-safe."""

    def __init__(self) -> None:
        templates = Environment(
            loader=PackageLoader("page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = templates.get_template("page.html")
        self._main = templates.get_template("main.html")

    def render(self, snapshot: Snapshot) -> Rendering:
        """Render a snapshot in all forms."""
        page = view(snapshot)
        main = self._main.render(page=page)
        whole = self._page.render(page=page, main=main)
        return Rendering(whole.encode(), main, event(main), as_json(snapshot))


def event(main: str) -> bytes:
    """Return a server-sent event that carries lines of text."""
    lines = [f"data: {line}" for line in main.splitlines() if line.strip()]
    return "\n".join(["event: page", *lines, "", ""]).encode()


def as_json(snapshot: Snapshot) -> bytes:
    """Return all that is known, with documented names; what is null is not known here."""
    whole = {
        "time": snapshot.at,
        "leads": snapshot.leads,
        "leader": snapshot.leader or None,
        "complete": snapshot.complete,
        "notices": list(snapshot.notices),
        "holds": [_hold(each) for each in snapshot.workloads],
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def _hold(workload: Workload) -> dict[str, Any]:
    return {
        "namespace": workload.name.namespace,
        "name": workload.name.name,
        "target": workload.target,
        "phase": workload.phase,
        "parked": workload.parked,
        "inFlight": workload.in_flight,
        "requestsPerSecond": _rounded(workload.rate),
        "replicas": workload.replicas,
        "readyEndpoints": workload.ready,
        "lastRequestSecondsAgo": _rounded(workload.quiet),
        "sleep": {"reason": workload.verdict or None, "message": workload.why},
        "conditions": [each._asdict() for each in workload.conditions],
        "wakes": [_wake(each) for each in workload.wakes],
    }


def _wake(wake: Wake) -> dict[str, Any]:
    return {
        "at": round(wake.at, 3),
        "seconds": _rounded(wake.seconds),
        "outcome": wake.outcome,
        "scaledBy": wake.scaled_by or None,
        "reason": wake.reason,
        "stages": [
            {"name": each.name, "began": _rounded(each.began), "ended": _rounded(each.ended)}
            for each in wake.stages
        ],
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
