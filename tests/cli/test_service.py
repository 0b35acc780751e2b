"""How a service is run: its settings, its signals, and what it reports."""

import asyncio
import logging
import os
import signal
import socket

import click
import pytest
from pydantic_settings import BaseSettings

from cli.service import serve
from cli.settings import variables
from controller.settings import Settings as ControllerSettings
from telemetry.settings import OtelSettings


class Settings(BaseSettings):
    """Of a service that has none."""


async def never(_settings, _stopping, _reports):
    """Run what must not be run."""
    raise AssertionError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("OTEL_", "LAYBY_TRACES_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")


def test_it_runs_until_a_signal_and_reports_meanwhile():
    """What is left to report is sent when all else has ended."""
    seen = []

    async def run(_settings, stopping, reports):
        seen.append(reports.read())
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.wait()

    serve("layby-test", Settings, run)
    assert 1 == len(seen)


def test_signals_change_how_much_is_logged():
    """Without a restart, which would drop what is parked."""
    levels = []

    async def run(_settings, _stopping, _reports):
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
            levels.append(logging.getLogger().level)

    before = logging.getLogger().level
    serve("layby-test", Settings, run)
    assert [logging.DEBUG, before] == levels


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_METRICS_EXPORTER", "statsd"), ("LAYBY_TRACES_SLOW_SECONDS", "soon")],
)
def test_a_wrong_variable_is_named(monkeypatch, name, value):
    """In one line; it is what a person has set."""
    monkeypatch.setenv(name, value)
    with pytest.raises(click.ClickException, match=name):
        serve("layby-test", Settings, never)


def test_a_port_that_is_taken_is_told_in_one_line(monkeypatch):
    """Two on one host, as on a developer's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
        monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
        monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(port))
        with pytest.raises(click.ClickException, match=str(port)):
            serve("layby-test", Settings, never)


@pytest.mark.parametrize(
    "line",
    [
        "LAYBY_CONTROLLER_GATE_ATTACH  all|gateways|sidecars  [all]",
        "LAYBY_CONTROLLER_GATE_SELECTOR  [{}]",
        "LAYBY_CONTROLLER_GATE_REVISION",
        "LAYBY_CONTROLLER_CHANCES  [3]",
        "LAYBY_CONTROLLER_NOT_READY_ENDPOINTS  [true]",
        "LAYBY_CONTROLLER_ISTIOD_TOKEN",
        "OTEL_METRICS_EXPORTER  otlp|prometheus|none  [prometheus]",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL  grpc|http/protobuf",
    ],
)
def test_variables_are_told_with_what_to_choose_from_and_their_defaults(line):
    """As a person would set them, be the type what it may."""
    assert f"  {line}" in variables(ControllerSettings, OtelSettings).splitlines()
