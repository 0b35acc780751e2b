"""Metrics and spans for an OTLP collector: exporters as the settings ask for, and metrics as data.

Owns what is OpenTelemetry's in all this. Must not know when something is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Final

from opentelemetry.sdk.metrics import Exemplar as OtelExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtelMetric
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from telemetry.metric import Kind, Metric
from telemetry.settings import Protocol
from telemetry.store import Distribution, Exemplar, Labels, Reading

SCOPE: Final = "layby"
_POINTS_AT_ONCE: Final = 5_000
"""A gRPC server takes 4 MB."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose metrics they are, and since when they are counted, in nanoseconds since the epoch."""

    resource: Resource
    version: str
    began: int


def resource(service: str, version: str, instance: str) -> Resource:
    """Return what identifies this process; what the environment says comes first."""
    ours = {"service.name": service, "service.version": version, "service.instance.id": instance}
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def span_exporter(protocol: Protocol) -> SpanExporter:
    """Make the exporter of spans; it reads its own settings from the environment."""
    # Each of them takes a while to import, and most processes need neither.
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )

        return OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter as OTLPHttpSpanExporter,
    )

    return OTLPHttpSpanExporter()


def metric_exporter(protocol: Protocol) -> MetricExporter:
    """Make the exporter of metrics; it reads its own settings from the environment."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter,
        )

        return OTLPMetricExporter(max_export_batch_size=_POINTS_AT_ONCE)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter as OTLPHttpMetricExporter,
    )

    return OTLPHttpMetricExporter(max_export_batch_size=_POINTS_AT_ONCE)


def metrics_data(readings: list[Reading], source: Source, now: int) -> MetricsData:
    """Say in OpenTelemetry's terms what was read at `now`, without metrics that have no series."""
    metrics = [_metric(reading, source.began, now) for reading in readings if _is_known(reading)]
    scope = ScopeMetrics(InstrumentationScope(SCOPE, source.version), metrics, "")
    return MetricsData([ResourceMetrics(source.resource, [scope], "")])


def _is_known(reading: Reading) -> bool:
    return bool(reading.values or reading.distributions)


def _metric(reading: Reading, began: int, now: int) -> OtelMetric:
    metric = reading.metric
    data: Gauge | Sum | Histogram
    if metric.kind is Kind.HISTOGRAM:

        def spread(labels: Labels, distribution: Distribution) -> HistogramDataPoint:
            return _spread(metric, labels, distribution, began, now)

        spreads = list(starmap(spread, reading.distributions.items()))
        data = Histogram(spreads, AggregationTemporality.CUMULATIVE)
    else:
        points = [
            NumberDataPoint(_named(metric, labels), began, now, value)
            for labels, value in reading.values.items()
        ]
        if metric.kind is Kind.COUNTER:
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        else:
            data = Gauge(points)
    return OtelMetric(metric.name, metric.description, metric.unit, data)


def _spread(
    metric: Metric, labels: Labels, distribution: Distribution, began: int, now: int
) -> HistogramDataPoint:
    count = sum(distribution.counts)
    # Of nothing there is neither a least nor a most, and the wire format can do without.
    least, most = (distribution.least, distribution.most) if count else (None, None)
    return HistogramDataPoint(
        attributes=_named(metric, labels),
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=count,
        sum=distribution.sum,
        bucket_counts=distribution.counts,
        explicit_bounds=metric.buckets,
        min=least,  # type: ignore[arg-type]  # see above
        max=most,  # type: ignore[arg-type]
        exemplars=[_exemplar(each) for each in distribution.exemplars.values()],
    )


def _exemplar(seen: Exemplar) -> OtelExemplar:
    return OtelExemplar({}, seen.value, int(seen.time * 1e9), seen.span_id, seen.trace_id)


def _named(metric: Metric, labels: Labels) -> Mapping[str, str]:
    # As plain strings: the wire format takes no others.
    return {label.name: str(value) for label, value in zip(metric.labels, labels, strict=True)}
