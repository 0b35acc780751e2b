"""Settings of telemetry: OpenTelemetry's own environment variables, and few of Layby's.

Owns those that decide what is on. The SDK reads the others itself: endpoints, headers,
certificates, queue sizes, the sampler.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Protocol = Literal["grpc", "http/protobuf"]


def _split(value: object) -> object:
    """A list in a variable has commas between its entries."""
    if not isinstance(value, str):
        return value
    return frozenset(entry for each in value.split(",") if (entry := each.strip()))


def _none_alone(value: frozenset[str]) -> frozenset[str]:
    return value - {"none"}


_TraceExporters = Annotated[
    frozenset[Literal["otlp", "none"]],
    NoDecode,
    BeforeValidator(_split),
    AfterValidator(_none_alone),
]
_MetricExporters = Annotated[
    frozenset[Literal["otlp", "prometheus", "none"]],
    NoDecode,
    BeforeValidator(_split),
    AfterValidator(_none_alone),
]
_Keep = Annotated[
    frozenset[Literal["slow", "shed", "expired", "hopeless"]], NoDecode, BeforeValidator(_split)
]


class OtelSettings(BaseSettings):
    """What is on, by the variables of OpenTelemetry's specification.

    Nothing is sent anywhere unless an endpoint is set.
    """

    model_config = SettingsConfigDict(
        env_prefix="OTEL_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    sdk_disabled: bool = False
    """No traces and no metrics at all."""
    traces_exporter: _TraceExporters | None = None
    """otlp or none; by default otlp if an endpoint for traces is set."""
    metrics_exporter: _MetricExporters = frozenset({"prometheus"})
    """prometheus, otlp, both with a comma between them, or none."""
    traces_sampler: str = ""
    """Which traces are kept; by default parentbased_always_on."""
    exporter_otlp_endpoint: str = ""
    """Where traces, and metrics if they are asked for, are sent."""
    exporter_otlp_traces_endpoint: str = ""
    """Where traces are sent."""
    exporter_otlp_protocol: Protocol = "grpc"
    """grpc or http/protobuf."""
    exporter_otlp_traces_protocol: Protocol | None = None
    """The same for traces alone."""
    exporter_otlp_metrics_protocol: Protocol | None = None
    """The same for metrics alone."""
    metric_export_interval: Annotated[int, Field(ge=100)] = 60_000
    """Milliseconds between two exports of metrics over OTLP."""
    exporter_prometheus_host: str = "0.0.0.0"  # noqa: S104 - Prometheus asks from outside
    """The address at which Prometheus finds /metrics."""
    exporter_prometheus_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """The port at which Prometheus finds /metrics."""

    @property
    def traces(self) -> bool:
        """Whether there are traces."""
        if self.sdk_disabled or self.traces_sampler == "always_off":
            return False
        if self.traces_exporter is None:
            return bool(self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint)
        return "otlp" in self.traces_exporter

    @property
    def prometheus(self) -> bool:
        """Whether Prometheus may ask."""
        return not self.sdk_disabled and "prometheus" in self.metrics_exporter

    @property
    def push(self) -> bool:
        """Whether metrics are sent over OTLP."""
        return not self.sdk_disabled and "otlp" in self.metrics_exporter

    @property
    def traces_protocol(self) -> Protocol:
        """How traces are sent."""
        return self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol

    @property
    def metrics_protocol(self) -> Protocol:
        """How metrics are sent."""
        return self.exporter_otlp_metrics_protocol or self.exporter_otlp_protocol


class TraceSettings(BaseSettings):
    """Which held requests are kept although the sampler would not."""

    model_config = SettingsConfigDict(
        env_prefix="LAYBY_TRACES_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    keep: _Keep = frozenset()
    """Any of slow, shed, expired, hopeless, with commas between them."""
    slow_seconds: Annotated[float, Field(gt=0)] = 10.0
    """From when on a request was held for long."""
    keep_per_second: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """How many of them are kept at most: they come in crowds, and are much alike."""
