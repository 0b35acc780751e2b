"""Where spans go: OpenTelemetry's tracer, a bounded queue, an exporter, and an account of them.

Owns the provider and its end. Must not know what spans are about. An exporter that is dead, slow
or full costs spans, never time or memory.
"""

from collections.abc import Callable, Iterable, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler

from telemetry.otlp import SCOPE
from telemetry.sampling import Allowance, KeepNotable
from telemetry.store import Labels


class Tracing:
    """A tracer, and what becomes of its spans.

    Args:
        exporter: takes spans, in a thread of its own.
        resource: what identifies this process.
        keep_per_second: how many spans are kept at most for being notable.
        now: monotonic seconds.
        sampler: which spans are kept; by default what the environment says.
    """

    def __init__(  # noqa: PLR0913 - parts, put together
        self,
        exporter: SpanExporter,
        resource: Resource,
        *,
        version: str,
        keep_per_second: float,
        now: Callable[[], float],
        sampler: Sampler | None = None,
    ) -> None:
        # A provider without a sampler reads the environment, and there is no other way to.
        rule = sampler or TracerProvider(shutdown_on_exit=False).sampler
        self.follows_callers = isinstance(rule, ParentBased)
        """Whether nothing is kept of a trace that its caller does not keep."""
        self._exporter = _Counted(exporter)
        self._made = _Made()
        self._provider = TracerProvider(
            KeepNotable(rule, Allowance(keep_per_second, now)), resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(self._made)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer(SCOPE, version)

    def account(self) -> Iterable[tuple[Labels, float]]:
        """How many spans were made, and what became of them."""
        yield ("made",), self._made.spans
        yield ("sent",), self._exporter.sent
        yield ("failed",), self._exporter.failed

    def flush(self) -> None:
        """Send what there is, and wait for that."""
        self._provider.force_flush()

    def end(self) -> None:
        """Send what is left, which may take as long as the exporter's patience, and stop."""
        self._provider.shutdown()

    def give_up(self) -> None:
        """Stop at once."""
        self._exporter.shutdown()


class _Made(SpanProcessor):
    """Counts spans that have ended, on the thread that ends them."""

    def __init__(self) -> None:
        self.spans = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - overrides
        self.spans += 1


class _Counted(SpanExporter):
    """Counts what another exporter does; one thread calls it."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._ended = False
        self.sent = self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:
            self.failed += len(spans)
            raise
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        if not self._ended:
            self._ended = True
            self._exporter.shutdown()
