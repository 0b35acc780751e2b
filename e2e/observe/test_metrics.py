"""Dashboards and alerts ask for what there is: each query, of a real Prometheus, after a busy day.

It scrapes what the chart's PodMonitor selects, and follows the chart's rules.
"""

import json
import math
import subprocess
import sys
import time
from collections import Counter
from uuid import uuid4

import pytest
import yaml

from deploy.generate import CHART
from e2e import layby
from e2e.observe.prometheus import Prometheus, find, scrape_config
from e2e.observe.queries import choices, filled, of_dashboard, of_rules
from e2e.observe.scenario import HOLDS, Fleet
from e2e.prepared import lack
from e2e.stack.processes import until
from telemetry.catalogue import METRICS
from telemetry.metric import Kind

WITHIN = 30.0
SETTINGS = {
    # Nobody is there. That is enough for exemplars, and for spans that fail.
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_BSP_SCHEDULE_DELAY": "500",
}
RULES = CHART / "files" / "alerts.yaml"
BOARDS = [json.loads(p.read_text()) for p in sorted((CHART / "files" / "dashboards").glob("*"))]
FIRING = {"LaybyCannotStart", "LaybyRequestsExpired", "LaybyRequestsShed"}
"""Alerts that do not wait to see whether it goes by."""
OF_TARGETS = {"__name__", "job", "instance", "namespace", "pod", "container", "le"}


@pytest.fixture(scope="module")
def monitor(helm):
    """The chart's PodMonitor."""
    words = ("template", "layby", CHART, "--namespace", layby.NAMESPACE)
    enabled = ("--set", "monitoring.podMonitor.enabled=true", "-s", "templates/podmonitor.yaml")
    done = subprocess.run([helm, *words, *enabled], capture_output=True, text=True, check=True)
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def day(request, stack, monitor):
    """A Prometheus that has seen all that can happen, the fleet that it saw, and since when."""
    if find() is None:
        lack(request.config, "no prometheus: Debian's package `prometheus` has it")
    layby.install(stack.api, SETTINGS)
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"t-{uuid4().hex[:8]}"},
    }
    stack.api.create(namespace)
    pods = [
        pod
        for pod in stack.api.items("v1", "Pod", layby.NAMESPACE)
        # Those that another test had, with settings of its own, may not be gone yet.
        if "deletionTimestamp" not in pod["metadata"]
    ]
    prometheus = Prometheus(stack.children, scrape_config(monitor, pods), RULES)
    try:
        prometheus.child.wait()
        assert until(lambda: are_up(prometheus), WITHIN), prometheus.targets()
        begun = time.time()
        fleet = Fleet(stack, namespace["metadata"]["name"])
        fleet.deploy()
        fleet.live()
        yield prometheus, fleet, begun
    finally:
        stack.children.remove(prometheus.child)
        stack.api.delete([namespace])


def are_up(prometheus):
    """Whether it scrapes both hold servers and both controllers."""
    targets = prometheus.targets()
    return [4, {"up"}] == [len(targets), {each["health"] for each in targets}]


def variables(namespace, name, begun):
    """What Grafana fills in for a time range that began then."""
    seconds = int(time.time() - begun) + 1
    return {
        "namespace": namespace,
        "name": name,
        "__rate_interval": "10s",
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
    }


def has_data(series):
    """Whether there is any value that can be drawn."""
    values = [v for s in series for _, v in s.get("values", [s["value"]] if "value" in s else [])]
    return any(math.isfinite(float(value)) for value in values)


def answered(day, expr):
    """Whether a dashboard's query has data, for one of the workloads at least."""
    prometheus, fleet, begun = day
    return any(
        has_data(prometheus.query_range(asked, begun, time.time()))
        for asked in {filled(expr, variables(fleet.namespace, name, begun)) for name in HOLDS}
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_every_query_of_a_dashboard_has_data(day, board):
    """A panel whose metric is called otherwise looks like a quiet day."""
    asked = list(of_dashboard(board))
    empty = [each for each in asked if not until(lambda each=each: answered(day, each.expr), 5)]
    assert [] == empty
    sys.stderr.write(f"{board['uid']}: {len(asked)} queries have data\n")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_what_can_be_chosen_is_there(day, board):
    """A variable without values leaves the whole dashboard empty."""
    prometheus, fleet, begun = day
    given = variables(fleet.namespace, "web", begun)
    for choice in choices(board):
        found = prometheus.label_values(choice.label, filled(choice.selector, given))
        assert given[choice.label] in found, choice


def test_every_alert_looks_at_what_there_is(day):
    """An alert on a metric that is called otherwise never fires."""
    prometheus, _, begun = day
    asked = list(of_rules(yaml.safe_load(RULES.read_text())))
    empty = [a for a in asked if not has_data(prometheus.query_range(a.expr, begun, time.time()))]
    assert [] == empty
    assert {"ok"} == {rule["health"] for rule in prometheus.rules()}
    sys.stderr.write(f"alerts: {len(asked)} selectors have data\n")


def test_what_went_wrong_has_been_told(day):
    """The first of its kind is told."""
    prometheus, _, _ = day
    assert prometheus.firing() >= FIRING


def test_dots_lead_to_traces(day):
    """From the graph of waits to one request that waited so long, asked for as Grafana does it."""
    prometheus, fleet, begun = day
    given = variables(fleet.namespace, "web", begun)
    asked = [
        t["expr"]
        for b in BOARDS
        for p in b["panels"]
        for t in p.get("targets", ())
        if t.get("exemplar")
    ]
    assert asked
    for expr in asked:
        found = prometheus.exemplars(filled(expr, given), begun, time.time())
        ids = [each["labels"]["trace_id"] for series in found for each in series["exemplars"]]
        assert ids, expr
        assert {32} == {len(each) for each in ids}


def test_labels_are_those_of_the_catalogue_and_bounded(day):
    """What grows with requests, pods or paths ends in a Prometheus that has no memory left."""
    prometheus, fleet, _ = day
    held = len(
        {
            (s["metric"]["namespace"], s["metric"]["name"])
            for s in prometheus.query('layby_condition{type="Ready"}')
        }
    )
    assert held >= len(HOLDS)
    for metric in METRICS:
        suffix = "_bucket" if metric.kind is Kind.HISTOGRAM else ""
        series = [each["metric"] for each in prometheus.query(metric.prometheus_name + suffix)]
        known = {label.name: set(label.values) for label in metric.labels}
        for labels in series:
            assert labels.keys() - OF_TARGETS <= known.keys(), metric.name
            for name, values in known.items():
                assert not values or labels[name] in values, metric.name
        outcomes = math.prod(len(values) for values in known.values() if values)
        bound = outcomes * (held if metric.of_hold else 1) * (len(metric.buckets) + 1)
        by_process = Counter(labels["instance"] for labels in series)
        assert all(count <= bound for count in by_process.values()), (metric.name, by_process)
    assert fleet.namespace
