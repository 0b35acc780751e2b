"""Metrics in OpenTelemetry's terms."""

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource

from extproc.core.outcome import Outcome
from telemetry.catalogue import METRICS
from telemetry.catalogue.controlling import RECONCILE, SLEEP_VERDICT
from telemetry.catalogue.holding import DURATION, PARKED, REQUESTS
from telemetry.otlp import Source, metrics_data, resource
from telemetry.store import Exemplar, Store

CART = ("shop", "cart")
OUTCOME = (*CART, Outcome.RELEASED)


@pytest.fixture
def encoded():
    """As the wire has it, after a full turn through the exporter's own encoder."""
    store = Store(METRICS)
    store.add(PARKED, CART, 3)
    store.add(REQUESTS, OUTCOME, 7)
    store.switch(SLEEP_VERDICT, CART, "Idle")
    store.observe(DURATION, OUTCOME, 1.5, Exemplar(1.5, 0xAB, 0xCD, 12.5))
    store.observe(DURATION, OUTCOME, 400.0)
    source = Source(Resource({"service.name": "layby"}), "1.2", 10)
    message = encode_metrics(metrics_data(store.read(), source, 20))
    (scope,) = message.resource_metrics[0].scope_metrics
    assert ("layby", "1.2") == (scope.scope.name, scope.scope.version)
    return {metric.name: metric for metric in scope.metrics}


def attributes(point):
    return {each.key: each.value.string_value for each in point.attributes}


def test_counters_only_grow_from_the_beginning(encoded):
    metric = encoded["layby.hold.requests"]
    (point,) = metric.sum.data_points
    assert (True, 2) == (metric.sum.is_monotonic, metric.sum.aggregation_temporality)
    assert (10, 20, 7.0) == (point.start_time_unix_nano, point.time_unix_nano, point.as_double)
    assert {"namespace": "shop", "name": "cart", "outcome": "released"} == attributes(point)


@pytest.mark.parametrize(
    ("name", "value"), [("layby.hold.parked", 3.0), ("layby.sleep.verdict", 1.0)]
)
def test_gauges_and_states_are_as_they_are(encoded, name, value):
    (point,) = encoded[name].gauge.data_points
    assert value == point.as_double


def test_histograms_have_buckets_and_exemplars(encoded):
    metric = encoded["layby.hold.duration"]
    (point,) = metric.histogram.data_points
    assert "s" == metric.unit
    assert (2, 401.5, 1.5, 400.0) == (point.count, point.sum, point.min, point.max)
    assert [*DURATION.buckets] == list(point.explicit_bounds)
    assert len(DURATION.buckets) + 1 == len(point.bucket_counts)
    (exemplar,) = point.exemplars
    assert (1.5, 12_500_000_000) == (exemplar.as_double, exemplar.time_unix_nano)
    assert (0xAB, 0xCD) == tuple(
        int.from_bytes(each) for each in (exemplar.trace_id, exemplar.span_id)
    )


def test_a_histogram_of_nothing_has_neither_least_nor_most():
    """Infinite numbers are more than some collectors take."""
    store = Store(METRICS)
    store.begin(RECONCILE, ("gate",))
    message = encode_metrics(metrics_data(store.read(), Source(Resource({}), "1", 10), 20))
    [metric] = message.resource_metrics[0].scope_metrics[0].metrics
    for point in metric.histogram.data_points:
        assert (0, 0.0) == (point.count, point.sum)
        assert (False, False) == (point.HasField("min"), point.HasField("max"))


def test_what_is_not_known_is_not_sent(encoded):
    assert encoded.keys() == {
        "layby.hold.parked",
        "layby.hold.requests",
        "layby.sleep.verdict",
        "layby.hold.duration",
    }


def test_the_environment_names_the_service(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p,service.name=other")
    named = resource("layby-extproc", "1.2", "host").attributes
    assert {
        "service.name": "other",
        "service.version": "1.2",
        "service.instance.id": "host",
        "k8s.pod.name": "p",
    }.items() <= named.items()


def test_without_it_the_service_has_its_usual_name():
    assert resource("layby-extproc", "1", "h").attributes["service.name"] == "layby-extproc"
