"""The alerts: as Prometheus reads them, each tried, each with a runbook."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.generate import CHART
from telemetry.catalogue import METRICS
from telemetry.metric import Kind

HERE = Path(__file__).parent
RULES = CHART / "files" / "alerts.yaml"
TRIALS = HERE / "alerts.yaml"
RUNBOOKS = HERE.parents[1] / "docs" / "observability.md"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}


def test_prometheus_takes_the_rules(promtool):
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)


def test_each_fires_when_it_is_to_and_not_otherwise(promtool):
    """Their words too are as a person would read them."""
    assert "SUCCESS" in promtool("test", "rules", TRIALS)


def test_each_has_been_tried_both_ways():
    """An alert that was never seen to fire is a guess, as is one that was never seen silent."""
    tried = [
        t for each in yaml.safe_load(TRIALS.read_text())["tests"] for t in each["alert_rule_test"]
    ]
    assert ALERTS.keys() == {each["alertname"] for each in tried if each["exp_alerts"]}
    assert ALERTS.keys() == {each["alertname"] for each in tried if not each["exp_alerts"]}


@pytest.mark.parametrize("name", ALERTS)
def test_each_says_what_it_means_and_what_to_do(name):
    """It is read at night by somebody who has never heard of Layby."""
    rule = ALERTS[name]
    assert {"summary", "description", "runbook_url"} == rule["annotations"].keys()
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert f"docs/observability.md#{name.lower()}" == rule["annotations"]["runbook_url"]
    assert f"\n### {name}\n" in RUNBOOKS.read_text()


@pytest.mark.parametrize("name", ALERTS)
def test_each_is_about_metrics_that_there_are(name):
    """With outcomes and causes that there are, too: a slip of the pen is silence."""
    known = {m.prometheus_name: m for m in METRICS}
    for m in METRICS:
        if m.kind is Kind.HISTOGRAM:
            known |= {m.prometheus_name + suffix: m for suffix in ("_bucket", "_count", "_sum")}
    for metric, selector in re.findall(r"\b(layby_\w+)(\{[^}]*\})?", ALERTS[name]["expr"]):
        values = {label.name: label.values for label in known[metric].labels}
        for label, value in re.findall(r'(\w+)="([^"]*)"', selector):
            assert value in values[label], metric
