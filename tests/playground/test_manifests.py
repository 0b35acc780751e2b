"""The playground's manifests and values, held to the chart, to the pages and to one another."""

import re
import subprocess
import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest
import yaml

from crds.resource import Resource
from crds.v1alpha1 import HoldPolicy, TrafficHold
from deploy.generate import CHART, NAMESPACE
from e2e.stack.binaries import locate
from tests.playground.stubs import SCRIPTS

PAGE = SCRIPTS.parent / "docs" / "observability.md"
KINDS: dict[str, type[Resource]] = {"TrafficHold": TrafficHold, "HoldPolicy": HoldPolicy}


def documents(path):
    return list(yaml.safe_load_all((SCRIPTS / path).read_text()))


def named(path, kind):
    """The objects of a kind in a file, by name."""
    return {each["metadata"]["name"]: each for each in documents(path) if each["kind"] == kind}


def shown(key):
    """What the page about observability shows under a key; some of it in the middle of a list."""
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found = [yaml.safe_load(textwrap.dedent(text)) for _, text in blocks]
    return next(each[key] for each in found if key in each)


@pytest.fixture(scope="module")
def rendered():
    """Layby's chart with the playground's values, as the real helm renders it."""
    program = locate("helm")
    if program is None:
        pytest.skip("no helm 3 on PATH, and none built: `python -m e2e.stack.build helm` does it")
    values = ("--values", SCRIPTS / "layby.yaml", "--set", "image.tag=playground-1")
    done = subprocess.run(
        [program, "template", "layby", CHART, "--namespace", NAMESPACE, *values],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def test_grafana_finds_the_dashboards_that_the_chart_makes(rendered):
    """By a label and a namespace, which are named in two places."""
    [pod] = [
        each["spec"]["template"]["spec"]
        for each in named("monitoring/grafana.yaml", "Deployment").values()
    ]
    sidecar = next(each for each in pod["containers"] if each["name"] == "dashboards")
    looked_for = {each["name"]: each["value"] for each in sidecar["env"]}
    found = [
        each["metadata"]
        for each in rendered
        if each["kind"] == "ConfigMap" and looked_for["LABEL"] in each["metadata"].get("labels", {})
    ]
    assert {"layby-overview", "layby-workload", "layby-itself"} == {each["name"] for each in found}
    assert {looked_for["NAMESPACE"]} == {each["namespace"] for each in found}


def test_hold_servers_and_envoys_send_their_spans_to_the_same_tempo(rendered):
    """Spans of one trace in two places are two halves of a story."""
    [pod] = [
        each["spec"]["template"]["spec"]
        for each in rendered
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "layby-extproc"
    ]
    told = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    [istiod] = documents("istio/istiod.yaml")
    [provider] = istiod["meshConfig"]["extensionProviders"]
    to = provider["opentelemetry"]
    assert to["service"] == "tempo.monitoring.svc.cluster.local"
    assert f"http://tempo.monitoring:{to['port']}" == told["OTEL_EXPORTER_OTLP_ENDPOINT"]
    ports = named("monitoring/tempo.yaml", "Service")["tempo"]["spec"]["ports"]
    assert to["port"] in {each["port"] for each in ports}
    [telemetry] = documents("istio/telemetry.yaml")
    assert [{"name": provider["name"]}] == telemetry["spec"]["tracing"][0]["providers"]


def test_prometheus_scrapes_as_the_page_says():
    """Here it is copied from."""
    config = named("monitoring/prometheus.yaml", "ConfigMap")["prometheus"]["data"]
    assert shown("scrape_configs") == yaml.safe_load(config["prometheus.yml"])["scrape_configs"]


def test_a_wait_leads_to_its_trace_as_the_page_says():
    """By an exemplar, which names a data source by its uid."""
    config = named("monitoring/grafana.yaml", "ConfigMap")["grafana"]["data"]
    sources = {
        each["name"]: each for each in yaml.safe_load(config["datasources.yaml"])["datasources"]
    }
    [page] = shown("datasources")
    for key in ("type", "uid", "url"):
        assert page[key] == sources["Prometheus"][key]
    [destination] = page["jsonData"]["exemplarTraceIdDestinations"]
    assert [destination] == sources["Prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] == sources["Tempo"]["uid"]


@pytest.mark.parametrize("path", ["bookinfo/holds.yaml", "bookinfo/policy.yaml"])
def test_every_hold_is_valid(path):
    """They are what people copy."""
    for item in documents(path):
        assert item["kind"] == KINDS[item["kind"]].parse(item).kind


def test_every_workload_is_held_by_a_service_that_leads_to_it_alone():
    """Of two workloads behind one Service only one is held."""
    workloads = named("bookinfo/services.yaml", "Deployment")
    services = named("bookinfo/services.yaml", "Service")
    leading = {
        name: [
            workload
            for workload, item in workloads.items()
            if selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()
        ]
        for name, service in services.items()
        if (selector := service["spec"].get("selector"))
    }
    assert sorted([name] for name in workloads) == sorted(leading.values())
    holds = named("bookinfo/holds.yaml", "TrafficHold")
    assert sorted(workloads) == sorted(each["spec"]["targetRef"]["name"] for each in holds.values())


def test_a_pod_is_ready_only_when_it_serves_and_serves_until_nobody_sends_it_anything():
    """A request is let go when a pod is ready; one that ends is heard of a moment later."""
    for name, item in named("bookinfo/services.yaml", "Deployment").items():
        [container] = item["spec"]["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/health", "port": 9080}, name
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] >= 1
        assert "replicas" not in item["spec"]


def test_productpage_waits_for_a_cold_start_of_what_it_asks(monkeypatch):
    """It asks with `requests`, and a timeout of 3 s that no setting of its own changes."""

    class Session:
        def request(self, method, url, **options):
            return method, url, options

    requests = ModuleType("requests")
    requests.Session = Session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "requests", requests)
    source = named("bookinfo/services.yaml", "ConfigMap")["productpage-patience"]["data"]
    hooks: dict[str, Any] = {}
    exec(source["gunicorn.conf.py"], hooks)
    hooks["post_worker_init"](None)
    asked = Session().request("get", "http://details:9080/details/0", timeout=3.0, headers={})
    assert ("get", "http://details:9080/details/0", {"timeout": 60, "headers": {}}) == asked
