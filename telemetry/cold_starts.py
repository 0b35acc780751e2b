"""The cold starts of all workloads: told of as they go on, counted and traced as they end.

Owns which ones are open. Must not know how a workload is started, nor how requests are held.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from opentelemetry.trace import Span, Tracer

from telemetry import cold_start_span
from telemetry.catalogue.holding import COLD_START, COLD_START_STAGE, PARKED, WAKES
from telemetry.clock import Clock
from telemetry.cold_start import ColdStart, Ending, Mark, Winner
from telemetry.logs import trace_ids
from telemetry.store import Exemplar, HoldName, Store

log = logging.getLogger(__name__)


class _Open(NamedTuple):
    start: ColdStart
    span: Span | None


class ColdStarts:
    """The latest cold start of each workload, open or over.

    Args:
        tracer: where traces of them go, if anywhere.
    """

    def __init__(self, store: Store, clock: Clock, tracer: Tracer | None = None) -> None:
        self._store = store
        self._clock = clock
        self._tracer = tracer
        self._open: dict[HoldName, _Open] = {}
        self._latest: dict[HoldName, ColdStart] = {}
        self._listeners: list[Callable[[ColdStart], None]] = []

    def __repr__(self) -> str:
        return f"<ColdStarts {len(self._open)} open>"

    def begin(self, hold: HoldName, *, is_process: bool = False) -> None:
        """Somebody waits for a workload that is not up. It begins once, until it has ended.

        A workload that is a process of ours is started, and never scaled.
        """
        if hold in self._open:
            return
        began = self._clock.now()
        start = ColdStart(hold, began, self._clock.nanoseconds(began) / 1e9, is_process)
        span = None
        if self._tracer is not None:
            span = cold_start_span.begin(start, self._tracer, self._clock)
        self._open[hold] = _Open(start, span)
        self._latest[hold] = start

    def scaled(self, hold: HoldName, winner: Winner, replicas: int) -> None:
        """The workload has been scaled from zero; being told twice changes nothing."""
        start = self.open(hold)
        if start is None or start.has(Mark.SCALED):
            return
        start.mark(Mark.SCALED, self._clock.now())
        start.winner, start.replicas = winner, replicas
        self._store.add(WAKES, (*hold, winner))

    def launched(self, hold: HoldName) -> None:
        """A process of ours is started for it, which nobody else could have asked for."""
        self._store.add(WAKES, (*hold, Winner.LAYBY))

    def mark(self, hold: HoldName, mark: Mark) -> None:
        """The start has come so far; the first time counts."""
        if (start := self.open(hold)) is not None:
            start.mark(mark, self._clock.now())

    def failed(self, hold: HoldName, reason: str) -> None:
        """The workload cannot start."""
        if (start := self.open(hold)) is not None:
            start.reason = reason
            self._end(start, Ending.FAILED, self._clock.now())

    def released(self, hold: HoldName, at: float) -> None:
        """A request has been let go: the first one ends the cold start."""
        if (start := self.open(hold)) is not None:
            start.mark(Mark.RELEASED, at)
            self._end(start, Ending.READY, at)

    def left(self, hold: HoldName) -> None:
        """Nobody sees to the start any more: it is up, or nobody waits for it."""
        start = self.open(hold)
        if start is None:
            return
        if not start.has(Mark.SEEN):
            self._end(start, Ending.ABANDONED, self._clock.now())
        elif not self._store.value(PARKED, hold):
            self._end(start, Ending.READY, self._clock.now())

    def deserted(self, hold: HoldName, at: float) -> None:
        """Nobody waits any more; if it is up, nobody will be let go who would end it."""
        start = self.open(hold)
        if start is not None and start.has(Mark.SEEN):
            self._end(start, Ending.READY, at)

    def open(self, hold: HoldName) -> ColdStart | None:
        """The cold start that goes on."""
        found = self._open.get(hold)
        return found.start if found else None

    def latest(self, hold: HoldName) -> ColdStart | None:
        """The latest cold start, whether it goes on or is over."""
        return self._latest.get(hold)

    def subscribe(self, listener: Callable[[ColdStart], None]) -> None:
        """Have a listener told of each that has ended."""
        self._listeners.append(listener)

    def during(self, hold: HoldName, arrived: float) -> ColdStart | None:
        """The latest cold start, if a request that came at `arrived` can have waited for it."""
        start = self._latest.get(hold)
        if start is None or (start.ended is not None and start.ended < arrived):
            return None
        return start

    def retain(self, holds: set[HoldName]) -> None:
        """Forget those of all other workloads: they are gone."""
        for hold in self._latest.keys() - holds:
            self.left(hold)
            self._open.pop(hold, None)
            del self._latest[hold]

    def _end(self, start: ColdStart, ending: Ending, at: float) -> None:
        span = self._open.pop(start.hold).span
        start.ended, start.ending = at, ending
        if span is not None and self._tracer is not None:
            cold_start_span.end(span, start, self._tracer, self._clock)
        seconds = at - start.began
        exemplar = None
        if start.trace_id:
            when = self._clock.nanoseconds(at) / 1e9
            exemplar = Exemplar(seconds, start.trace_id, start.span_id, when)
        self._store.observe(COLD_START, (*start.hold, ending), seconds, exemplar)
        stages = start.stages()
        if ending is Ending.READY:
            for stage in stages:
                labels = (*start.hold, stage.name)
                self._store.observe(COLD_START_STAGE, labels, stage.ended - stage.began)
        _say(start, seconds)
        for listener in self._listeners:
            listener(start)


def _say(start: ColdStart, seconds: float) -> None:
    """Write the line that there is for each wake."""
    parts = ", ".join(f"{name} {ended - began:.2f}" for name, began, ended in start.stages())
    extra = trace_ids(start.trace_id, start.span_id)
    scaled = "" if start.is_process else f"; scaled by {start.winner or 'nobody'}"
    told = (*start.hold, seconds, scaled, parts)
    if start.ending is Ending.FAILED:
        log.warning("%s/%s cannot start: %s", *start.hold, start.reason, extra=extra)
    elif start.ending is Ending.ABANDONED:
        log.info("%s/%s: nobody waits after %.2f s%s (%s)", *told, extra=extra)
    else:
        log.info("%s/%s woke in %.2f s%s (%s)", *told, extra=extra)
