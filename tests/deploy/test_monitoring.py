"""What the chart makes for those who watch it: by default nothing."""

import json

import yaml

from deploy.generate import CHART
from tests.deploy.charts import EVERYTHING, of_kind, pods

KINDS = ("PodMonitor", "PrometheusRule", "ConfigMap")
RUNBOOKS = "https://wiki.example/layby"
ALERTS = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())


def test_nothing_is_made_unless_it_is_asked_for(render):
    """A cluster without Prometheus' operator would refuse the whole release."""
    objects = render()
    assert not [each for kind in KINDS for each in of_kind(objects, kind)]


def test_the_pod_monitor_takes_the_metrics_of_all_pods(render):
    """With the namespaces that the metrics name, which are the TrafficHolds'."""
    objects = render(EVERYTHING)
    [monitor] = of_kind(objects, "PodMonitor")
    assert "prometheus" == monitor["metadata"]["labels"]["release"]
    [expression] = monitor["spec"]["selector"]["matchExpressions"]
    selected = {
        name
        for name, template in pods(objects).items()
        if template["metadata"]["labels"][expression["key"]] in expression["values"]
    }
    assert {"hold-extproc", "hold-controller"} == selected
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert {"port": "metrics", "interval": "15s", "honorLabels": True} == endpoint


def test_the_rule_has_the_alerts_as_they_are(render):
    """But for where the runbooks are."""
    [rule] = of_kind(render(EVERYTHING), "PrometheusRule")
    expected = yaml.safe_dump(ALERTS).replace("docs/observability.md", RUNBOOKS)
    assert yaml.safe_load(expected) == rule["spec"]
    [rule] = of_kind(
        render({"monitoring": {"prometheusRule": {"enabled": True}}}), "PrometheusRule"
    )
    assert ALERTS == rule["spec"]


def test_without_a_controller_nobody_misses_it(render):
    """An alert that always fires is one that nobody reads."""
    values = {
        "controller": {"enabled": False},
        "monitoring": {"prometheusRule": {"enabled": True}},
    }
    [rule] = of_kind(render(values), "PrometheusRule")
    assert ["layby"] == [group["name"] for group in rule["spec"]["groups"]]


def test_dashboards_are_config_maps_that_grafana_finds(render):
    """Its sidecar goes by the label, and puts them where the annotation says."""
    maps = of_kind(render(EVERYTHING), "ConfigMap")
    assert {"hold-overview", "hold-workload", "hold-itself"} == {
        m["metadata"]["name"] for m in maps
    }
    for each in maps:
        assert "1" == each["metadata"]["labels"]["grafana_dashboard"]
        assert {"grafana_folder": "Layby"} == each["metadata"]["annotations"]
        for name, text in each["data"].items():
            assert json.loads(text) == json.loads(
                (CHART / "files" / "dashboards" / name).read_text()
            )
