"""Spans and their exporter: dead, slow or full, it costs spans, never time or memory."""

import threading
import time

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased

from telemetry.tracing import Tracing


class FakeExporter(SpanExporter):
    """Does as it is told, once it is let."""

    def __init__(self, result=SpanExportResult.SUCCESS):
        self.result = result
        self.let = threading.Event()
        self.let.set()
        self.batches = []
        self.shutdowns = 0

    def export(self, spans):
        self.let.wait(30)
        self.batches.append(len(spans))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def shutdown(self):
        self.shutdowns += 1
        self.let.set()


@pytest.fixture
def exporter():
    return FakeExporter()


@pytest.fixture
def tracing(exporter):
    made = tracing_to(exporter)
    yield made
    made.give_up()
    made.end()


def tracing_to(exporter, **changes):
    return Tracing(
        exporter,
        Resource({}),
        version="1",
        keep_per_second=1.0,
        now=time.monotonic,
        **{"sampler": ALWAYS_ON, **changes},
    )


def account(tracing):
    return {labels[0]: value for labels, value in tracing.account()}


def test_all_spans_are_accounted_for(tracing):
    for _ in range(3):
        tracing.tracer.start_span("x").end()
    tracing.flush()
    assert {"made": 3, "sent": 3, "failed": 0} == account(tracing)


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, OSError("refused")])
def test_a_dead_exporter_costs_spans(tracing, exporter, result):
    exporter.result = result
    tracing.tracer.start_span("x").end()
    tracing.flush()
    assert {"made": 1, "sent": 0, "failed": 1} == account(tracing)


def test_a_slow_exporter_neither_delays_nor_fills_the_memory(tracing, exporter):
    """Its queue is bounded; what does not fit is dropped, and no span waits for its turn."""
    exporter.let.clear()
    most = 10_000
    for _ in range(most):
        tracing.tracer.start_span("x").end()
    # It has taken nothing yet, so that none of these can have waited for it.
    assert [] == exporter.batches
    exporter.let.set()
    tracing.flush()
    told = account(tracing)
    # The queue, and the batches that were on their way.
    assert told["made"] == most
    assert told["sent"] <= 2048 + 2 * 512


def test_the_rest_is_sent_at_the_end(exporter):
    tracing = tracing_to(exporter)
    tracing.tracer.start_span("x").end()
    tracing.end()
    assert ([1], 1) == (exporter.batches, exporter.shutdowns)


def test_giving_up_does_not_wait(exporter):
    """A collector that does not answer must not keep a pod from ending."""
    tracing = tracing_to(exporter)
    exporter.let.clear()
    tracing.tracer.start_span("x").end()
    tracing.give_up()
    tracing.end()
    assert exporter.shutdowns == 1


@pytest.mark.parametrize(
    ("name", "follows"), [("", True), ("parentbased_always_off", True), ("traceidratio", False)]
)
def test_the_sampler_is_the_one_of_the_environment(exporter, monkeypatch, name, follows):
    if name:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    tracing = tracing_to(exporter, sampler=None)
    tracing.end()
    assert follows is tracing.follows_callers


def test_a_ratio_is_of_all_traces_whoever_began_them(exporter):
    tracing = tracing_to(exporter, sampler=TraceIdRatioBased(0.0))
    assert not tracing.tracer.start_span("x").is_recording()
    tracing.end()
