"""What is asked of Prometheus by dashboards and alerts, as Grafana and Prometheus would ask it.

Owns the variables' values and what a selector is. Must not know whether there are answers. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SELECTOR = re.compile(r"\b((?:layby|process)_\w+)(\{[^}]*\})?")
_VARIABLE = re.compile(r"\$(?:\{)?(\w+)(?:\})?")
_LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)")
_OR_ZERO = " or vector(0)"


class Asked(NamedTuple):
    """A query, and where it stands."""

    where: str
    expr: str


class Choice(NamedTuple):
    """A variable that the reader chooses from what a label is in some series."""

    where: str
    selector: str
    label: str


def of_dashboard(board: Mapping[str, Any]) -> Iterator[Asked]:
    """Find the queries of all panels, with their variables."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(f"{board['title']}: {panel['title']}", measured(target["expr"]))


def measured(expr: str) -> str:
    """Take out of a query the 0 for where there is nothing, which is there whatever it asks for."""
    expr = expr.replace(_OR_ZERO, "")
    assert "vector(" not in expr, expr
    return expr


def choices(board: Mapping[str, Any]) -> Iterator[Choice]:
    """Find the queries for what can be chosen, with their variables."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found, variable
            yield Choice(f"{board['title']}: ${variable['name']}", found[1], found[2])


def filled(expr: str, variables: Mapping[str, str]) -> str:
    """Put the values of variables into a query."""
    return _VARIABLE.sub(lambda match: variables[match[1]], expr)


def of_rules(rules: Mapping[str, Any]) -> Iterator[Asked]:
    """Find the selectors in the expressions of all alerts: what they compare, add up and divide.

    An alert itself has no data while all is well. Its selectors do, if its metrics and labels are
    called as it calls them.
    """
    for group in rules["groups"]:
        for rule in group["rules"]:
            for name, labels in dict.fromkeys(_SELECTOR.findall(rule["expr"])):
                yield Asked(rule["alert"], name + labels)
