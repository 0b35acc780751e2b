"""The dashboards as code: current, complete, and about metrics that there are."""

import importlib
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.generate import CHART
from telemetry.catalogue import METRICS

FOLDER = CHART / "files" / "dashboards"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
METRIC_NAMES = {metric.prometheus_name for metric in METRICS}
EVERYBODYS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def panels(board):
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_files_are_current():
    """What is in the chart is what the code says."""
    pytest.importorskip("grafana_foundation_sdk", reason="needs the group `dashboards`")
    made = importlib.import_module("deploy.dashboards.generate").render()
    assert made == {path: path.read_text() for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_each_panel_says_what_it_is_about(board):
    """Whoever looks at it did not make it."""
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        assert {"${datasource}"} == {each["datasource"]["uid"] for each in panel["targets"]}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_do_not_overlap(board):
    """Grafana would push them about, in an order of its own."""
    places = [panel["gridPos"] for panel in board["panels"]]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_every_metric_is_in_some_dashboard():
    """What nobody looks at need not be measured."""
    asked = " ".join(t["expr"] for b in BOARDS.values() for p in panels(b) for t in p["targets"])
    shown = set(re.findall(r"\b(?:layby|process)_\w+", asked))
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    assert METRIC_NAMES == shown - EVERYBODYS


def test_variables_are_declared():
    """One that is not stays in the query as it is written."""
    for board in BOARDS.values():
        declared = {each["name"] for each in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board)))
        assert used <= declared, board["title"]


def test_traces_are_one_click_away():
    """By TraceQL, for this hold, in the time that is shown."""
    links = [link for link in BOARDS["layby-workload"]["links"] if "explore" in link.get("url", "")]
    assert 2 == len(links)
    for link in links:
        url = urlsplit(link["url"])
        [panes] = parse_qs(url.query)["panes"]
        [pane] = json.loads(panes).values()
        assert "${traces}" == pane["datasource"]
        [query] = pane["queries"]
        assert "traceql" == query["queryType"]
        assert 'span.k8s.namespace.name = "$namespace"' in query["query"]
        assert 'span.layby.hold.name = "$name"' in query["query"]
