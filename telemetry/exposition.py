"""What Prometheus is told when it asks: all metrics as text, with exemplars where it takes them.

Owns the translation for `prometheus_client`. Must not know how values come about.
"""

from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.utils import floatToGoString

from telemetry.metric import Kind, Metric
from telemetry.store import Distribution, Labels, Reading

_TYPES: Final = {
    Kind.COUNTER: "counter",
    Kind.GAUGE: "gauge",
    Kind.STATE: "gauge",
    Kind.HISTOGRAM: "histogram",
}


class Page(NamedTuple):
    """The answer to one scrape."""

    content_type: str
    body: bytes


class Exposition:
    """Writes the pages that Prometheus reads."""

    def __init__(self) -> None:
        # CPU, memory and open files of this process, under the names that all dashboards know.
        self._process = ProcessCollector(registry=None)

    def page(self, readings: Iterable[Reading], accept: str = "") -> Page:
        """Write what was read, in the format that is asked for by the header Accept."""
        encode, content_type = choose_encoder(accept)
        known = [each for each in readings if each.values or each.distributions]
        families = [*map(_family, known), *self._process.collect()]
        return Page(content_type, encode(_Collected(families)))


class _Collected(Collector):
    """What an encoder calls a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _family(reading: Reading) -> Family:
    metric = reading.metric
    name = metric.prometheus_family
    family = Family(name, metric.description, _TYPES[metric.kind], metric.prometheus_unit)
    for labels, value in reading.values.items():
        family.add_sample(metric.prometheus_name, _named(metric, labels), value)
    for labels, distribution in reading.distributions.items():
        _add(family, _named(metric, labels), metric.buckets, distribution)
    return family


def _named(metric: Metric, labels: Labels) -> dict[str, str]:
    return {label.name: value for label, value in zip(metric.labels, labels, strict=True)}


def _add(
    family: Family, labels: dict[str, str], bounds: Iterable[float], distribution: Distribution
) -> None:
    total = 0
    for place, (bound, total) in enumerate(
        zip((*map(floatToGoString, bounds), "+Inf"), accumulate(distribution.counts), strict=True)
    ):
        seen = distribution.exemplars.get(place)
        exemplar = None
        if seen is not None:
            ids = {"trace_id": f"{seen.trace_id:032x}", "span_id": f"{seen.span_id:016x}"}
            exemplar = PrometheusExemplar(ids, seen.value, seen.time)
        family.add_sample(
            f"{family.name}_bucket", {**labels, "le": bound}, total, exemplar=exemplar
        )
    family.add_sample(f"{family.name}_count", labels, total)
    family.add_sample(f"{family.name}_sum", labels, distribution.sum)
