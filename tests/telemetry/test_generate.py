"""The reference page."""

import sys

import pytest

from telemetry import generate
from telemetry.catalogue import METRICS


def test_the_page_is_current():
    assert generate.PAGE.read_text() == generate.render(), "run python -m telemetry.generate"


def test_every_metric_is_on_the_page_with_what_to_do():
    page = " ".join(generate.render().split())
    for metric in METRICS:
        assert f"### `{metric.prometheus_name}`" in page
        assert metric.when_it_moves in page


@pytest.fixture
def page(monkeypatch, tmp_path):
    path = tmp_path / "reference" / "metrics.md"
    monkeypatch.setattr(generate, "PAGE", path)
    return path


@pytest.fixture
def run(monkeypatch):
    def main(*arguments):
        monkeypatch.setattr(sys, "argv", ["generate", *arguments])
        generate.main()

    return main


def test_it_is_written_where_it_belongs(page, run):
    run()
    run("--check")
    assert generate.render() == page.read_text()


def test_a_page_that_is_stale_is_reported(page, run):
    with pytest.raises(SystemExit, match="stale"):
        run("--check")
    page.parent.mkdir()
    page.write_text("old")
    with pytest.raises(SystemExit, match="stale"):
        run("--check")
