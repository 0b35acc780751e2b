"""What a controller's live page shows: TrafficHolds, the demand for them, and the leader's looks.

Owns how these become the page's words. Must not know how it is drawn. A follower shows the same,
but for what only the leader knows.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from controller.looks import Look
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from feed.board import HoldName, Share
from feed.hold_servers import HoldServers
from feed.start import Start
from kube.leader import Leader
from kube.resource import Key, Object
from kube.store import Store
from page.history import History
from page.snapshot import Condition, Name, Outcome, Phase, Snapshot, Wake, Workload


class Showing:
    """Takes snapshots for the page.

    Args:
        holds: the TrafficHolds.
        hold_servers: the demand for them.
        leader: whether this one leads, or who does.
        looks: what this one found, while it leads.
    """

    def __init__(
        self,
        holds: Store,
        hold_servers: HoldServers,
        leader: Leader,
        looks: Callable[[], Mapping[Key, Look]],
    ) -> None:
        self._holds = holds
        self._hold_servers = hold_servers
        self._leader = leader
        self._looks = looks
        self._history = History()
        self._parsed: dict[Key, tuple[Object, TrafficHold | None]] = {}
        hold_servers.subscribe(self._remember)

    def look(self) -> Snapshot:
        """Take a snapshot."""
        items = self._holds.snapshot()
        self._history.retain({Name(*key) for key in items})
        for gone in self._parsed.keys() - items.keys():
            del self._parsed[gone]
        looks = self._looks() if self._leader.leading else {}
        now, wall = asyncio.get_running_loop().time(), time.time()
        refusal = self._hold_servers.refusal
        return Snapshot(
            at=wall,
            title="all TrafficHolds of the cluster",
            leads=self._leader.leading,
            leader=self._leader.holder.partition("_")[0],
            complete=self._hold_servers.complete(),
            notices=(f"A hold server says that {refusal}.",) if refusal else (),
            workloads=tuple(
                self._workload(key, self._parse(key, item), looks.get(key), now, wall)
                for key, item in sorted(items.items())
            ),
        )

    def _workload(
        self, key: Key, hold: TrafficHold | None, look: Look | None, now: float, wall: float
    ) -> Workload:
        name = Name(*key)
        if hold is None:
            why = "its spec cannot be read: see the condition Accepted"
            return Workload(name=name, target="", phase=Phase.UNKNOWN, why=why)
        share = self._hold_servers.total(HoldName(*key))
        known = self._hold_servers.youngest() is not None
        quiet = _quiet(hold, share, now, wall)
        status, ref = hold.status, hold.spec.target_ref
        return Workload(
            name=name,
            target=f"{ref.kind} {ref.name}",
            phase=Phase(status.phase) if status.phase else Phase.UNKNOWN,
            parked=share.pending if known else None,
            in_flight=share.in_flight if known else None,
            rate=share.rate if known else None,
            replicas=look.replicas if look else None,
            ready=look.ready if look else None,
            quiet=quiet,
            verdict=look.reason or "" if look else "",
            why=look.why(quiet) if look else "",
            conditions=tuple(
                Condition(each.type, each.status, each.reason, each.message)
                for each in status.conditions
            ),
            wakes=self._wakes(name, share, hold, wall),
        )

    def _wakes(self, name: Name, share: Share, hold: TrafficHold, wall: float) -> tuple[Wake, ...]:
        """Return what was seen; failing that, what the status remembers."""
        if share.start is not None and share.start.ending is not None:
            self._history.saw(name, _wake(share.start, wall))
        known = self._history.of(name)
        if share.start is not None and share.start.ending is None:
            return (_wake(share.start, wall), *known)
        last = hold.status.last_wake
        if known or last is None:
            return known
        outcome, reason = Outcome(last.outcome), last.reason or ""
        return (Wake(last.at.timestamp(), last.duration, outcome, reason=reason),)

    def _remember(self, hold: HoldName) -> None:
        start = self._hold_servers.total(hold).start
        if start is not None and start.ending is not None:
            self._history.saw(Name(*hold), _wake(start, start.at))

    def _parse(self, key: Key, item: Object) -> TrafficHold | None:
        """Parse an object once: it is another one whenever it has changed."""
        known = self._parsed.get(key)
        if known is None or known[0] is not item:
            try:
                known = item, TrafficHold.parse(item, unknown="ignore")
            except InvalidResourceError:
                known = item, None
            self._parsed[key] = known
        return known[1]


def _quiet(hold: TrafficHold, share: Share, now: float, wall: float) -> float | None:
    if share.last_request is not None:
        return now - share.last_request
    last = hold.status.last_request_time
    return None if last is None else max(0.0, wall - last.timestamp())


def _wake(start: Start, wall: float) -> Wake:
    seconds = start.duration if start.ending else max(0.0, wall - start.at)
    wake = Wake.of(start.at, start.marks, start.ending, seconds)
    return replace(wake, scaled_by=start.winner, reason=start.reason)
