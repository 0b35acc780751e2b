"""What a metric is: name, kind, unit, labels, and what a person does about it.

Owns the names it has in OTLP and in Prometheus. Must not know any value. Pure.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

_UNITS: Final = {"s": "seconds", "By": "bytes"}
_PER: Final = {"s": "second"}


class Kind(StrEnum):
    """How the values of a metric relate to one another."""

    COUNTER = "counter"
    """Only ever grows, until the process ends."""
    GAUGE = "gauge"
    """As it is now."""
    HISTOGRAM = "histogram"
    """How often a value fell between two bounds."""
    STATE = "state"
    """1 for the value of the last label that holds now; there is no series for the others."""


class Process(StrEnum):
    """Who reports a metric."""

    HOLD_SERVER = "hold server"
    CONTROLLER = "controller"
    BOTH = "hold server, controller"


class Label(NamedTuple):
    """A dimension, and the values it can have; none are given where there is one for each hold."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()


NAMESPACE = Label("namespace", "The TrafficHold's namespace.")
NAME = Label("name", "The TrafficHold's name.")
HOLD: Final = (NAMESPACE, NAME)


@dataclass(eq=False, frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Args:
        name: in OTLP, with dots.
        unit: as UCUM has it; what is counted stands in braces.
        description: one sentence: what is measured.
        when_it_moves: what it says, and what to do then.
        labels: those of a TrafficHold first, so that they can be forgotten with it.
        buckets: upper bounds of a histogram's buckets, without the infinite one.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    when_it_moves: str
    process: Process
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def of_hold(self) -> bool:
        """Whether there is a series, or several, for each TrafficHold."""
        return self.labels[:2] == HOLD

    @property
    def prometheus_unit(self) -> str:
        """The unit as Prometheus spells it; what is merely counted has none."""
        unit, _, per = re.sub(r"\{[^}]*\}", "", self.unit).partition("/")
        spelt = [_UNITS[unit]] if unit else []
        return "_".join(spelt + (["per", _PER[per]] if per else []))

    @property
    def prometheus_family(self) -> str:
        """The name in Prometheus, by OpenTelemetry's rules, without a counter's suffix."""
        name, unit = self.name.replace(".", "_"), self.prometheus_unit
        return f"{name}_{unit}" if unit else name

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus: that by which it is asked for."""
        return self.prometheus_family + ("_total" if self.kind is Kind.COUNTER else "")
