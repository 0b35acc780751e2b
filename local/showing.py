"""What local mode's live page shows.

Owns how workloads become the page's words. Must not know how it is drawn.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from extproc.core.demand import Demand
from extproc.core.workload import WorkloadKey
from local.app import LocalMesh
from local.supervisor import Phase as Life
from local.supervisor import Supervisor
from page.history import History
from page.snapshot import Condition, Name, Phase, Snapshot, Wake, Workload
from page.wording import soon
from telemetry.cold_start import ColdStart, Mark


class Showing:
    """Takes snapshots for the page."""

    def __init__(self, mesh: LocalMesh) -> None:
        self._mesh = mesh
        self._history = History()
        mesh.cold_starts.subscribe(
            lambda start: self._history.saw(Name(*start.hold), _wake(start, 0.0))
        )

    def look(self) -> Snapshot:
        """Take a snapshot."""
        now = asyncio.get_running_loop().time()
        touched = self._mesh.hold.touched()
        return Snapshot(
            at=time.time(),
            title=f"local mode at http://{self._mesh.config.listen}",
            workloads=tuple(
                self._workload(key, supervisor, now, asked=key in touched)
                for key, supervisor in sorted(self._mesh.supervisors.items())
            ),
        )

    def _workload(
        self, key: WorkloadKey, supervisor: Supervisor, now: float, *, asked: bool
    ) -> Workload:
        demand = self._mesh.demand(key)
        phase, after = Phase(supervisor.phase), supervisor.config.idle.after
        is_idle = phase is Phase.WARM and demand.is_idle(after, now)
        failure = supervisor.last_failure
        ready = phase in {Phase.WARM, Phase.STOPPING}
        verdict, why = _why(supervisor.phase, demand, now, after)
        return Workload(
            name=Name(key.namespace, key.name),
            target=Path(supervisor.config.command[0]).name,
            phase=Phase.IDLE if is_idle else phase,
            parked=demand.pending,
            in_flight=demand.in_flight,
            rate=demand.rate,
            replicas=int(phase is not Phase.ZERO),
            ready=int(ready),
            quiet=now - demand.last_request if asked else None,
            verdict=verdict,
            why=why,
            conditions=(Condition("Ready", "False", "WakeFailed", failure),) if failure else (),
            wakes=self._wakes(Name(key.namespace, key.name), now),
        )

    def _wakes(self, name: Name, now: float) -> tuple[Wake, ...]:
        known = self._history.of(name)
        start = self._mesh.cold_starts.open(name)
        return known if start is None else (_wake(start, now), *known)


def _why(life: Life, demand: Demand, now: float, after: float) -> tuple[str, str]:
    match life:
        case Life.ZERO:
            return "AlreadyZero", "asleep: the next request wakes it"
        case Life.WAKING:
            waits = "requests wait" if demand.pending else "requests have come"
            return "Waking", f"starts, for {waits}"
        case Life.STOPPING:
            return "Idle", "put to sleep now"
        case Life.WARM:
            if demand.pending or demand.in_flight:
                return "Busy", "stays up: requests are parked or open"
            left = max(0.0, demand.last_request + after - now)
            return "RecentRequest", f"put to sleep in {soon(left)} unless a request comes"


def _wake(start: ColdStart, now: float) -> Wake:
    seconds = (now if start.ended is None else start.ended) - start.began
    marks = [(mark, at - start.began) for mark, at in start.marks()]
    # A process is started; nothing is scaled or scheduled before.
    wake = Wake.of(start.at, marks, start.ending, seconds, first=Mark.STARTED)
    return replace(wake, reason=start.reason)
