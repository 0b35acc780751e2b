"""Sends metrics to an OTLP collector every so often.

Owns the rhythm. Must not know what is sent. One export goes on at a time, in a thread of its own;
while it does, nothing piles up, for the next one is of a later moment.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

from telemetry.apart import apart

log = logging.getLogger(__name__)


class Push:
    """Sends what `read` returns, which is called in the event loop's thread."""

    def __init__(
        self, read: Callable[[], MetricsData], exporter: MetricExporter, seconds: float
    ) -> None:
        self._read = read
        self._exporter = exporter
        self._seconds = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send meanwhile."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run(), name="otlp metrics")
            yield
            task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.send()

    async def send(self) -> None:
        """Send once; what the exporter cannot send is lost."""
        data = self._read()
        try:
            await apart(lambda: self._exporter.export(data), "otlp-metrics")
        except Exception:
            log.exception("metrics cannot be sent")

    def give_up(self) -> None:
        """Stop at once."""
        self._exporter.shutdown()
