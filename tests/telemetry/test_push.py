"""Metrics sent every so often."""

import asyncio
import threading

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from telemetry.push import Push


class FakeExporter:
    """Counts what it is given, once it is let."""

    def __init__(self):
        self.sent = []
        self.error = None
        self.let = threading.Event()
        self.let.set()
        self.shutdowns = 0

    def export(self, data):
        self.let.wait(10)
        self.sent.append(data)
        if self.error:
            raise self.error
        return MetricExportResult.SUCCESS

    def shutdown(self):
        self.shutdowns += 1


def nothing():
    return MetricsData([])


@pytest.fixture
def exporter():
    return FakeExporter()


async def test_it_sends_what_is_read_at_that_moment(exporter, eventually):
    read = []

    def look():
        read.append(MetricsData([]))
        return read[-1]

    async with Push(look, exporter, 0.001).running():
        await eventually(lambda: len(exporter.sent) >= 3)
    assert [id(each) for each in read[:3]] == [id(each) for each in exporter.sent[:3]]


async def test_a_slow_exporter_does_not_make_them_pile_up(exporter, eventually):
    """One at a time, and the next one tells of a later moment."""
    exporter.let.clear()
    read = []

    def look():
        read.append(MetricsData([]))
        return read[-1]

    async with Push(look, exporter, 0.0).running():
        await eventually(lambda: read)
        for _ in range(10):
            await asyncio.sleep(0)
    exporter.let.set()
    assert len(read) == 1


async def test_an_exporter_that_fails_is_tried_again(exporter, eventually, caplog):
    exporter.error = OSError("refused")
    async with Push(nothing, exporter, 0.001).running():
        await eventually(lambda: len(exporter.sent) >= 2)
    assert "metrics cannot be sent" in caplog.messages


def test_giving_up_ends_the_exporter(exporter):
    Push(nothing, exporter, 1.0).give_up()
    assert exporter.shutdowns == 1
