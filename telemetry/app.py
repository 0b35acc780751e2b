"""Telemetry put together, from settings; the hooks that a process is given.

The composition root. Must not know which process it is in.
"""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from telemetry.apart import apart
from telemetry.catalogue import METRICS
from telemetry.catalogue.controlling import SPANS
from telemetry.clock import Clock
from telemetry.cold_starts import ColdStarts
from telemetry.control import ControlRecorder
from telemetry.holds import HoldRecorder, HoldTracing
from telemetry.metric import Metric
from telemetry.otlp import Source, metric_exporter, metrics_data, resource, span_exporter
from telemetry.push import Push
from telemetry.serving import serve
from telemetry.settings import OtelSettings, TraceSettings
from telemetry.store import HoldName, Reading, Store
from telemetry.tracing import Tracing

LAST_WORDS_SECONDS = 3.0
"""For spans and metrics that are left when all else has ended."""

log = logging.getLogger(__name__)


class Telemetry:
    """What a process reports to.

    `holds` and `cold_starts` are for a hold server, `control` for a controller, and `store` is for
    whatever is read off when somebody asks.
    """

    def __init__(self, tracing: Tracing | None, settings: TraceSettings) -> None:
        clock = Clock(asyncio.get_running_loop().time)
        self.store = Store(METRICS)
        self.cold_starts = ColdStarts(self.store, clock, tracing.tracer if tracing else None)
        self.holds = HoldRecorder(
            self.store, self.cold_starts, clock, _hold_tracing(tracing, settings)
        )
        self.control = ControlRecorder(self.store, clock.now)
        self._known: Callable[[], Iterable[HoldName]] | None = None
        self._from_zero: Iterable[Metric] = ()
        self._begun: set[HoldName] = set()
        if tracing is not None:
            self.store.watch(SPANS, tracing.account)

    def only(
        self, known: Callable[[], Iterable[HoldName]], from_zero: Iterable[Metric] = ()
    ) -> None:
        """Say which TrafficHolds there are: what is told of others is forgotten.

        Args:
            known: their names now.
            from_zero: what begins at 0 for each of them, before anything has happened.
        """
        self._known, self._from_zero = known, from_zero

    def read(self) -> list[Reading]:
        """All metrics now."""
        if self._known is not None:
            holds = {(namespace, name) for namespace, name in self._known()}
            for each in (self.store, self.cold_starts, self.control):
                each.retain(holds)
            for hold in holds - self._begun:
                for metric in self._from_zero:
                    self.store.begin(metric, hold)
            self._begun = holds
        return self.store.read()


@asynccontextmanager
async def telemetry(
    service: str, version: str, settings: OtelSettings, traces: TraceSettings
) -> AsyncIterator[Telemetry]:
    """Report as the settings ask, until all else has ended; then send what is left.

    Raises:
        OSError: the address for Prometheus is taken.
    """
    source = Source(resource(service, version, socket.gethostname()), version, time.time_ns())
    tracing = None
    if settings.traces:
        tracing = Tracing(
            span_exporter(settings.traces_protocol),
            source.resource,
            version=version,
            keep_per_second=traces.keep_per_second,
            now=asyncio.get_running_loop().time,
        )
    reports = Telemetry(tracing, traces)
    push = _push(reports, source, settings) if settings.push else None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_last_words, push, tracing)
        if settings.prometheus:
            where = (settings.exporter_prometheus_host, settings.exporter_prometheus_port)
            port = await stack.enter_async_context(serve(*where, reports.read))
            log.info("metrics on port %d", port)
        if push is not None:
            await stack.enter_async_context(push.running())
        yield reports


def _push(reports: Telemetry, source: Source, settings: OtelSettings) -> Push:
    return Push(
        lambda: metrics_data(reports.read(), source, time.time_ns()),
        metric_exporter(settings.metrics_protocol),
        settings.metric_export_interval / 1000,
    )


def _hold_tracing(tracing: Tracing | None, settings: TraceSettings) -> HoldTracing | None:
    if tracing is None:
        return None
    return HoldTracing(
        tracing.tracer,
        follows_callers=tracing.follows_callers,
        keep=frozenset(settings.keep),
        slow_seconds=settings.slow_seconds,
    )


async def _last_words(push: Push | None, tracing: Tracing | None) -> None:
    """Send what is left, as long as that does not take too long."""
    try:
        async with asyncio.timeout(LAST_WORDS_SECONDS), asyncio.TaskGroup() as tasks:
            if push is not None:
                tasks.create_task(push.send(), name="last metrics")
            if tracing is not None:
                tasks.create_task(apart(tracing.end, "last spans"), name="last spans")
    except TimeoutError:
        log.warning("the last of the telemetry could not be sent")
    for each in (push, tracing):
        if each is not None:
            each.give_up()
