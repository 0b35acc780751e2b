"""The values of all metrics, counted where they happen and read when somebody asks.

Owns the sums. Must not know how they are exposed. Recording and reading are for the event loop's
thread alone; a reading is whole, and may be taken to any other.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import product
from math import inf
from typing import NamedTuple, TypeVar

from telemetry.metric import Kind, Metric

V = TypeVar("V")
Labels = tuple[str, ...]
"""The values of a metric's labels, in its order."""
HoldName = tuple[str, str]
"""Namespace and name of a TrafficHold."""


class Exemplar(NamedTuple):
    """One value, and the trace that it was seen in. Time is seconds since the epoch."""

    value: float
    trace_id: int
    span_id: int
    time: float


@dataclass(eq=False, slots=True)
class Distribution:
    """How often values fell into each bucket; the last one has no upper bound."""

    counts: list[int]
    sum: float = 0.0
    least: float = inf
    most: float = -inf
    exemplars: dict[int, Exemplar] = field(default_factory=dict)
    """The latest one, by bucket."""

    def copy(self) -> "Distribution":
        """One that stays as it is."""
        return Distribution(
            list(self.counts), self.sum, self.least, self.most, dict(self.exemplars)
        )


class Reading(NamedTuple):
    """A metric with all its series at one moment."""

    metric: Metric
    values: dict[Labels, float]
    distributions: dict[Labels, Distribution]


Watch = Callable[[], Iterable[tuple[Labels, float]]]
"""Asked for values when somebody reads."""


class Store:
    """The metrics of one process.

    OpenTelemetry's own counters and histograms take 5 to 6 us for each value; these take 0.1.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)
        self._values: dict[Metric, dict[Labels, float]] = self._series(Kind.COUNTER, Kind.GAUGE)
        self._states: dict[Metric, dict[Labels, str]] = self._series(Kind.STATE)
        self._distributions: dict[Metric, dict[Labels, Distribution]] = self._series(Kind.HISTOGRAM)
        self._watches: dict[Metric, list[Watch]] = {metric: [] for metric in self._metrics}

    def begin(self, metric: Metric, labels: Labels = ()) -> None:
        """Have every series whose first labels are these, at 0 unless it is there already.

        What Prometheus sees of a series first is where it counts from: one that comes with its
        first event has had none, for all that `rate` and `increase` know.
        """
        for rest in product(*(label.values for label in metric.labels[len(labels) :])):
            if metric.kind is Kind.HISTOGRAM:
                self._distribution(metric, (*labels, *rest))
            else:
                self._values[metric].setdefault((*labels, *rest), 0.0)

    def add(self, metric: Metric, labels: Labels = (), amount: float = 1.0) -> float:
        """Count; return the new value."""
        values = self._values[metric]
        value = values[labels] = values.get(labels, 0.0) + amount
        return value

    def set(self, metric: Metric, labels: Labels, value: float) -> None:
        """Say how a gauge stands."""
        self._values[metric][labels] = value

    def switch(self, metric: Metric, labels: Labels, state: str) -> None:
        """Say which value the last label of a state has now, `labels` being those before it."""
        self._states[metric][labels] = state

    def forget(self, metric: Metric, labels: Labels) -> None:
        """There is nothing for a gauge to tell of."""
        self._values[metric].pop(labels, None)

    def observe(
        self, metric: Metric, labels: Labels, value: float, exemplar: Exemplar | None = None
    ) -> None:
        """Put a value into a histogram."""
        distribution = self._distribution(metric, labels)
        bucket = bisect_left(metric.buckets, value)
        distribution.counts[bucket] += 1
        distribution.sum += value
        distribution.least = min(distribution.least, value)
        distribution.most = max(distribution.most, value)
        if exemplar is not None:
            distribution.exemplars[bucket] = exemplar

    def value(self, metric: Metric, labels: Labels = ()) -> float:
        """How a counter or gauge stands."""
        return self._values[metric].get(labels, 0.0)

    def watch(self, metric: Metric, read: Watch) -> None:
        """Ask `read` whenever a counter or gauge is read, instead of being told of each change."""
        self._watches[metric].append(read)

    def retain(self, holds: Collection[HoldName]) -> None:
        """Forget what is known of all other TrafficHolds: they are gone."""
        for by_metric in (self._values, self._states, self._distributions):
            for metric, series in by_metric.items():
                if metric.of_hold:
                    for labels in [each for each in series if each[:2] not in holds]:
                        del series[labels]

    def clear(self, metrics: Iterable[Metric]) -> None:
        """Forget gauges and states that are no longer this process's to tell."""
        for metric in metrics:
            (self._states if metric.kind is Kind.STATE else self._values)[metric].clear()

    def read(self) -> list[Reading]:
        """All that is known now."""
        return [self._read(metric) for metric in self._metrics]

    def _series(self, *kinds: Kind) -> dict[Metric, dict[Labels, V]]:
        return {metric: {} for metric in self._metrics if metric.kind in kinds}

    def _distribution(self, metric: Metric, labels: Labels) -> Distribution:
        series = self._distributions[metric]
        distribution = series.get(labels)
        if distribution is None:
            distribution = series[labels] = Distribution([0] * (len(metric.buckets) + 1))
        return distribution

    def _read(self, metric: Metric) -> Reading:
        values = dict(self._values.get(metric, {}))
        for labels, state in self._states.get(metric, {}).items():
            values[*labels, state] = 1.0
        for watch in self._watches[metric]:
            values.update(watch())
        series = self._distributions.get(metric, {})
        return Reading(metric, values, {labels: each.copy() for labels, each in series.items()})
