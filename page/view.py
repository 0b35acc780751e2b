"""What a person reads, made from what there is. Pure: no I/O, no clock.

Owns the choice and the order. Must not know HTML.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from page.snapshot import Condition, Phase, Snapshot, Workload
from page.waterfall import Waterfall, waterfall
from page.wording import ago, count, rate, took

MOST = 200
"""Workloads on the page. Of more, those that sleep soundly are left out first; JSON has all."""
MOST_WOKEN = 20
"""Workloads whose wakes are drawn: those that woke last."""
MOST_DRAWN = 3
"""Wakes that are drawn of each."""


class Note(NamedTuple):
    """Something a reader may have to act on, or why the workload is as it is."""

    head: str
    text: str
    is_trouble: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A workload, described."""

    id: str
    namespace: str
    name: str
    target: str
    phase: Phase
    parked: str
    in_flight: str
    rate: str
    replicas: str
    last_request: str
    last_wake: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Woken:
    """The latest wakes of a workload."""

    id: str
    namespace: str
    name: str
    said: str
    is_waking: bool
    waterfalls: tuple[Waterfall, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All of the page."""

    title: str
    notices: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    parked: int
    rows: tuple[Row, ...]
    hidden: int
    woken: tuple[Woken, ...]


def view(snapshot: Snapshot) -> Page:
    """Describe a snapshot."""
    shown = _most_telling(snapshot.workloads)
    phases = [each.phase for each in snapshot.workloads]
    return Page(
        title=snapshot.title,
        notices=tuple(_notices(snapshot)),
        counts=tuple((phase.value, n) for phase in Phase if (n := phases.count(phase))),
        parked=sum(each.parked or 0 for each in snapshot.workloads),
        rows=tuple(_row(each) for each in shown),
        hidden=len(snapshot.workloads) - len(shown),
        woken=tuple(_woken(each, snapshot.at) for each in _latest(snapshot.workloads)),
    )


def _notices(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.leads:
        who = f"{snapshot.leader} leads" if snapshot.leader else "no controller leads at the moment"
        yield (
            f"This controller does not lead; {who}. Phases, conditions and requests are current "
            "here too; replicas, and why a workload is not at zero, only the leader knows."
        )
    if not snapshot.complete:
        yield (
            "Not every hold server has been heard from for long enough: more may be parked than "
            "this, and nothing is put to sleep meanwhile."
        )
    yield from snapshot.notices


def _most_telling(workloads: Iterable[Workload]) -> list[Workload]:
    """Choose, and sort by name."""
    by_need = sorted(workloads, key=lambda each: (_is_quiet(each), each.name))
    return sorted(by_need[:MOST], key=lambda each: each.name)


def _is_quiet(workload: Workload) -> bool:
    return workload.phase is Phase.ZERO and not any(map(_is_trouble, workload.conditions))


def _latest(workloads: Iterable[Workload]) -> list[Workload]:
    """Choose those that woke last; sorted by name too, lest they jump about."""
    woken = sorted((each for each in workloads if each.wakes), key=lambda each: -each.wakes[0].at)
    return sorted(woken[:MOST_WOKEN], key=lambda each: each.name)


def _key(workload: Workload) -> str:
    """No namespace has a dot in its name."""
    return ".".join(workload.name)


def _row(workload: Workload) -> Row:
    quiet = workload.quiet
    return Row(
        id=_key(workload),
        namespace=workload.name.namespace,
        name=workload.name.name,
        target=workload.target,
        phase=workload.phase,
        parked=count(workload.parked),
        in_flight=count(workload.in_flight),
        rate=rate(workload.rate),
        replicas=_replicas(workload),
        last_request="none yet" if quiet is None else ago(quiet),
        last_wake=took(workload.wakes[0]) if workload.wakes else "none yet",
        notes=tuple(_notes(workload)),
    )


def _woken(workload: Workload, now: float) -> Woken:
    key, wakes = _key(workload), workload.wakes[:MOST_DRAWN]
    longest = max(wake.seconds for wake in wakes)
    return Woken(
        id=key,
        namespace=workload.name.namespace,
        name=workload.name.name,
        said=f"{took(wakes[0])}, {ago(now - wakes[0].at)}",
        is_waking=workload.phase is Phase.WAKING,
        waterfalls=tuple(waterfall(key, wake, longest) for wake in wakes),
    )


def _notes(workload: Workload) -> Iterator[Note]:
    """What is wrong first; Ready only if nothing else says it already."""
    troubles = [each for each in workload.conditions if _is_trouble(each)]
    for each in troubles:
        if each.type != "Ready" or len(troubles) == 1:
            yield Note(f"{each.type}: {each.reason}", each.message, is_trouble=True)
    if workload.why:
        yield Note(workload.verdict, workload.why, is_trouble=False)


def _is_trouble(condition: Condition) -> bool:
    return condition.status == "False"


def _replicas(workload: Workload) -> str:
    if workload.replicas is None:
        return "" if workload.ready is None else f"{workload.ready} ready"
    if workload.ready is None or workload.ready == workload.replicas:
        return str(workload.replicas)
    return f"{workload.ready} of {workload.replicas} ready"
