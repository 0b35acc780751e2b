"""Telemetry put together: settings in, OTLP out, and an end that waits for nobody."""

import asyncio
import os
import re
import socket

import aiohttp
import grpc.aio
import pytest

from extproc.core.backend import Ticket
from extproc.core.outcome import Outcome, Verdict
from extproc.core.workload import Chance
from telemetry import app
from telemetry.app import Telemetry, telemetry
from telemetry.catalogue.controlling import ZERO_TIME
from telemetry.catalogue.holding import FROM_ZERO, REQUESTS
from telemetry.cold_start import Mark, Winner
from telemetry.settings import OtelSettings, TraceSettings
from tests.telemetry.receivers import over_grpc, over_http
from tests.telemetry.scene import HOLD, KEY, SAMPLED, SPAN_ID, TRACE_ID


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("OTEL_", "LAYBY_TRACES_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")


def opened():
    return telemetry("layby-extproc", "1.2", OtelSettings(), TraceSettings())


def hold_one(reports):
    """Hold a request through a cold start."""
    now = asyncio.get_running_loop().time()
    ticket = Ticket(1, KEY, now, now + 60.0, now)
    reports.holds.parked(ticket, Chance(1, 3), 1, SAMPLED)
    reports.cold_starts.begin(HOLD)
    reports.cold_starts.scaled(HOLD, Winner.LAYBY, 1)
    reports.cold_starts.mark(HOLD, Mark.SEEN)
    reports.holds.ended(KEY, Verdict(Outcome.RELEASED), 0.5, ticket, SAMPLED)


@pytest.mark.parametrize(
    ("receiver", "protocol"), [(over_grpc, "grpc"), (over_http, "http/protobuf")]
)
async def test_traces_and_metrics_arrive_at_a_collector(monkeypatch, receiver, protocol):
    """Over a socket, beside a gRPC server of the event loop, as in a hold server."""
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
        async with opened() as reports:
            hold_one(reports)
    await server.stop(0)
    spans = {span.name: span for span in received.spans}
    hold, start = spans["layby.hold"], spans["layby.cold_start"]
    assert (bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)) == (
        hold.trace_id,
        hold.parent_span_id,
    )
    (link,) = hold.links
    assert (start.trace_id, start.span_id) == (link.trace_id, link.span_id)
    (point,) = received.metrics["layby.hold.duration"].histogram.data_points
    (exemplar,) = point.exemplars
    assert (hold.trace_id, hold.span_id) == (exemplar.trace_id, exemplar.span_id)
    assert {"layby-extproc"} == {each["service.name"] for each in received.resources}


async def test_metrics_are_sent_every_so_often(monkeypatch, eventually):
    with over_grpc() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
        async with opened() as reports:
            hold_one(reports)
            await eventually(lambda: len(received.requests) >= 2)


async def test_prometheus_may_ask_and_nothing_else_is_on(caplog):
    caplog.set_level("INFO", "telemetry.app")
    async with opened() as reports:
        hold_one(reports)
        (port,) = re.findall(r"metrics on port (\d+)", caplog.text)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as response,
        ):
            assert "layby_hold_requests_total" in await response.text()


async def test_a_port_that_is_taken_is_an_error(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(other.getsockname()[1]))
        with pytest.raises(OSError, match="address already in use"):
            async with opened():
                pass


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_that_is_silent_does_not_keep_the_process(monkeypatch, caplog, protocol):
    """It accepts connections and says nothing: the worst that can be at the end of a pod."""
    monkeypatch.setattr(app, "LAST_WORDS_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
        loop = asyncio.get_running_loop()
        async with opened() as reports:
            hold_one(reports)
            began = loop.time()
        assert loop.time() - began < 2.0
    assert "the last of the telemetry could not be sent" in caplog.messages


async def test_what_may_happen_to_a_workload_is_0_from_when_it_is_known_until_it_is_gone():
    """Or Prometheus would not know of the first: it counts from what it sees first."""
    reports, known = Telemetry(None, TraceSettings()), {HOLD}
    reports.only(lambda: known, FROM_ZERO)

    def requests():
        [values] = [each.values for each in reports.read() if each.metric is REQUESTS]
        return values

    assert {(*HOLD, str(each)): 0.0 for each in Outcome} == requests()
    reports.holds.ended(KEY, Verdict(Outcome.SHED), 0.0, None)
    known.add(("shop", "shoes"))
    assert 2 * len(Outcome) == len(requests())
    assert 1 == requests()[*HOLD, "shed"]
    known.remove(HOLD)
    assert len(Outcome) == len(requests())
    known.add(HOLD)
    assert 0 == requests()[*HOLD, "shed"]


async def test_what_is_told_of_workloads_that_are_gone_is_forgotten(monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    async with opened() as reports:
        hold_one(reports)
        reports.control.saw(HOLD, 0, 1.0)
        reports.only(lambda: [HOLD])
        kept = {each.metric: each.values for each in reports.read()}
        reports.only(list)
        gone = {each.metric: each.values for each in reports.read()}
    assert {HOLD} == {labels[:2] for labels in (*kept[REQUESTS], *kept[ZERO_TIME])}
    assert ({}, {}) == (gone[REQUESTS], gone[ZERO_TIME])
