"""Which of OpenTelemetry's variables decide what is on."""

import os

import pytest
from pydantic import ValidationError

from telemetry.settings import OtelSettings, TraceSettings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in os.environ:
        if name.startswith(("OTEL_", "LAYBY_TRACES_")):
            monkeypatch.delenv(name)


def read(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    settings = OtelSettings()
    return settings.traces, settings.prometheus, settings.push


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        # traces, Prometheus, metrics over OTLP
        ({}, (False, True, False)),
        ({"EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, (True, True, False)),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, (True, True, False)),
        ({"TRACES_EXPORTER": "otlp"}, (True, True, False)),
        (
            {"EXPORTER_OTLP_ENDPOINT": "http://c:4317", "TRACES_EXPORTER": "none"},
            (False, True, False),
        ),
        (
            {"EXPORTER_OTLP_ENDPOINT": "http://c:4317", "TRACES_SAMPLER": "always_off"},
            (False, True, False),
        ),
        ({"METRICS_EXPORTER": "none"}, (False, False, False)),
        ({"METRICS_EXPORTER": "otlp"}, (False, False, True)),
        ({"METRICS_EXPORTER": "otlp, prometheus"}, (False, True, True)),
        (
            {
                "SDK_DISABLED": "true",
                "METRICS_EXPORTER": "otlp,prometheus",
                "TRACES_EXPORTER": "otlp",
            },
            (False, False, False),
        ),
    ],
)
def test_nothing_is_sent_unless_an_endpoint_is_set(monkeypatch, variables, on):
    """Prometheus asks; whoever does not want to be asked says so."""
    assert on == read(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("variables", "protocols"),
    [
        ({}, ("grpc", "grpc")),
        ({"EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ("http/protobuf", "http/protobuf")),
        ({"EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, ("http/protobuf", "grpc")),
        ({"EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}, ("grpc", "http/protobuf")),
    ],
)
def test_each_signal_may_have_a_protocol_of_its_own(monkeypatch, variables, protocols):
    read(monkeypatch, **variables)
    settings = OtelSettings()
    assert protocols == (settings.traces_protocol, settings.metrics_protocol)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_METRICS_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "70000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("LAYBY_TRACES_KEEP", "slow,ready"),
        ("LAYBY_TRACES_SLOW_SECONDS", "0"),
    ],
)
def test_what_is_not_supported_is_refused(monkeypatch, name, value):
    """Telemetry that is silently elsewhere is missed when it is needed."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        (OtelSettings if name.startswith("OTEL_") else TraceSettings)()


def test_what_is_kept_all_the_same_is_a_list(monkeypatch):
    assert frozenset() == TraceSettings().keep
    monkeypatch.setenv("LAYBY_TRACES_KEEP", "slow, shed,")
    assert {"slow", "shed"} == TraceSettings().keep


def test_settings_can_be_given_as_values():
    assert {"otlp"} == OtelSettings(metrics_exporter=frozenset({"otlp"})).metrics_exporter
