"""A real Prometheus in the stack, which scrapes what the chart's PodMonitor selects.

Owns its configuration, made of a PodMonitor as Prometheus' operator does it, and its HTTP API. Must
not know which metrics there are.
"""

import json
import shutil
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import yaml

from e2e.stack.processes import Child, Children

ADDRESS = "192.0.2.45:9090"
SCRAPE_SECONDS = 1
Series = list[dict[str, Any]]


class RefusedError(Exception):
    """Prometheus does not take a query; the text says why."""


def find() -> str | None:
    """Find the program; Debian's package `prometheus` has it."""
    return shutil.which("prometheus")


class Prometheus:
    """One that has just been started, with rules."""

    def __init__(self, children: Children, scraped: Mapping[str, Any], rules: Path) -> None:
        folder = children.folder / "prometheus"
        folder.mkdir()
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{SCRAPE_SECONDS}s",
            },
            "rule_files": [str(rules)],
            "scrape_configs": [scraped],
        }
        path = folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        command = [
            *(find() or "prometheus", f"--config.file={path}"),
            *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={ADDRESS}"),
            "--enable-feature=exemplar-storage",
        ]
        self.child: Child = children.add("prometheus", command, ready=_is_ready)

    def query(self, expr: str) -> Series:
        """Ask for the values now."""
        return self._result("query", query=expr)

    def query_range(self, expr: str, start: float, end: float) -> Series:
        """Ask for the values at each scrape of a stretch of time."""
        return self._result("query_range", query=expr, start=start, end=end, step=SCRAPE_SECONDS)

    def exemplars(self, expr: str, start: float, end: float) -> Series:
        """Ask for the exemplars of the series that an expression has."""
        found: Series = self._ask("query_exemplars", query=expr, start=start, end=end)
        return found

    def label_values(self, label: str, selector: str) -> list[str]:
        """Ask for the values that a label has in the series that are selected."""
        found: list[str] = self._ask(f"label/{label}/values", **{"match[]": selector})
        return found

    def rules(self) -> Series:
        """List the rules, each with its health."""
        groups = self._ask("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def targets(self) -> Series:
        """List what is scraped."""
        found: Series = self._ask("targets")["activeTargets"]
        return found

    def firing(self) -> set[str]:
        """Name the alerts that fire."""
        return {
            each["labels"]["alertname"]
            for each in self._ask("alerts")["alerts"]
            if each["state"] == "firing"
        }

    def _result(self, path: str, **parameters: object) -> Series:
        found: Series = self._ask(path, **parameters)["result"]
        return found

    @staticmethod
    def _ask(path: str, **parameters: object) -> Any:
        url = f"http://{ADDRESS}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            told = error.read().decode(errors="replace")
            raise RefusedError(f"{parameters.get('query', path)}: {told}") from error


def scrape_config(monitor: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make of a PodMonitor what Prometheus' operator makes of it, as far as Layby's needs it.

    The pods are found here: Debian's Prometheus is built without the discovery of Kubernetes'.
    """
    metadata, spec = monitor["metadata"], monitor["spec"]
    [endpoint] = spec["podMetricsEndpoints"]
    return {
        "job_name": f"{metadata['namespace']}/{metadata['name']}",
        "honor_labels": endpoint["honorLabels"],
        "static_configs": [
            target
            for pod in pods
            if all(_selects(each, pod) for each in spec["selector"]["matchExpressions"])
            for target in _targets(pod, endpoint["port"])
        ],
    }


def _selects(expression: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    assert expression["operator"] == "In"
    return pod["metadata"]["labels"].get(expression["key"]) in expression["values"]


def _targets(pod: Mapping[str, Any], port: str) -> Iterator[dict[str, Any]]:
    """Describe the containers of a pod that have a port of that name."""
    metadata = pod["metadata"]
    for container in pod["spec"]["containers"]:
        for each in container.get("ports", ()):
            if each["name"] == port:
                labels = {
                    "namespace": metadata["namespace"],
                    "pod": metadata["name"],
                    "container": container["name"],
                }
                address = f"{pod['status']['podIP']}:{each['containerPort']}"
                yield {"targets": [address], "labels": labels}


def _is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://{ADDRESS}/-/ready", timeout=1):
            return True
    except OSError:
        return False
