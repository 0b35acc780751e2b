"""A dashboard without its panels: its names, its variables, and the ways to the others.

Owns the data sources and the links. Must not know any metric but those that list the holds.
"""

import json
from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableRefresh,
    VariableSort,
)

from deploy.dashboards.panels import METRICS

OVERVIEW, WORKLOAD, LAYBY = "layby-overview", "layby-workload", "layby-itself"
TAG: Final = "layby"
_LISTS_HOLDS: Final = "layby_condition"
_TIME: Final = "from=${__from}&to=${__to}"


def board(uid: str, title: str, description: str, *, hours: int) -> dashboard.Dashboard:
    """Begin a dashboard that shows so many hours."""
    made = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG])
    made.time(f"now-{hours}h", "now").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR)
    made.with_variable(
        dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    )
    others = dashboard.DashboardLink("Layby").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.link(others.as_dropdown(True).keep_time(True).include_vars(True))


def of_namespaces(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Let the reader choose namespaces; all by default."""
    namespaces = _choice("namespace", "Namespace", f"label_values({_LISTS_HOLDS}, namespace)")
    return made.with_variable(namespaces.multi(True).include_all(True).all_value(".*"))


def of_workload(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Let the reader choose one hold, and where its traces are."""
    within = f'{_LISTS_HOLDS}{{namespace="$namespace"}}'
    made.with_variable(_choice("namespace", "Namespace", f"label_values({_LISTS_HOLDS},namespace)"))
    made.with_variable(_choice("name", "TrafficHold", f"label_values({within}, name)"))
    return made.with_variable(dashboard.DatasourceVariable("traces").label("Tempo").type("tempo"))


def to_workload(namespace: str, name: str) -> dashboard.DashboardLink:
    """Lead to one hold's dashboard, with the same time range."""
    url = f"/d/{WORKLOAD}?var-namespace={namespace}&var-name={name}&{_TIME}"
    return dashboard.DashboardLink("The workload's dashboard").url(
        f"{url}&${{datasource:queryparam}}"
    )


def to_traces(title: str, traceql: str) -> dashboard.DashboardLink:
    """Lead to the traces that a TraceQL query finds, in the same time range."""
    panes = {
        "layby": {
            "datasource": "${traces}",
            "queries": [{"refId": "A", "queryType": "traceql", "limit": 50, "query": traceql}],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    # Grafana fills variables in before it reads the address, so their signs must stay.
    encoded = quote(json.dumps(panes, separators=(",", ":")), safe="${}:,")
    return (
        dashboard.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/explore?schemaVersion=1&orgId=1&panes={encoded}")
        .icon("external link")
        .target_blank(True)
    )


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    made = dashboard.QueryVariable(name).label(label).query({"query": query, "refId": name})
    made.datasource(METRICS).sort(VariableSort.ALPHABETICAL_ASC)
    return made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
