"""The catalogue: its names, bounds and words."""

import re

import pytest

from controller.sleep import Reason
from crds.condition import ConditionType, Status
from extproc.core.outcome import Cause, Outcome
from telemetry.catalogue import METRICS, controlling, holding
from telemetry.cold_start import Ending, Winner
from telemetry.metric import HOLD, Kind, Metric, Process

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.name)


def last_label(metric):
    return set(metric.labels[-1].values)


def test_no_two_metrics_have_one_name():
    assert len(METRICS) == len({metric.prometheus_family for metric in METRICS})


@every_metric
def test_names_are_those_of_the_specification(metric):
    assert re.fullmatch(r"layby(\.[a-z_]+)+", metric.name)
    assert re.fullmatch(r"[a-z_]+", metric.prometheus_name)


@every_metric
def test_every_label_is_bounded(metric):
    """Except the two that name a TrafficHold, whose series are forgotten with it."""
    for label in metric.labels:
        assert label in HOLD or label.values
    assert metric.of_hold or not set(HOLD) & set(metric.labels)


@every_metric
def test_no_metric_has_more_series_than_workloads_times_outcomes(metric):
    """A state has one series for all values of its last label."""
    rest = metric.labels[2 if metric.of_hold else 0 :]
    counted = rest[:-1] if metric.kind is Kind.STATE else rest
    series = 1
    for label in counted:
        series *= len(label.values)
    assert series <= len(Outcome)


@pytest.mark.parametrize(
    ("process", "from_zero", "others"),
    [
        (Process.HOLD_SERVER, holding.FROM_ZERO, set()),
        (
            Process.CONTROLLER,
            controlling.FROM_ZERO,
            {
                # Those are counted as time goes by.
                *(controlling.ZERO_TIME, controlling.SAVED_CPU, controlling.DRY_RUN_SAVED),
                *(controlling.DRY_RUN_SLEEPS, controlling.DRY_RUN_REQUESTS),
            },
        ),
    ],
)
def test_what_may_happen_to_a_workload_is_counted_from_0(process, from_zero, others):
    """A dashboard would not know of the first time."""
    counters = {m for m in METRICS if m.process is process and m.kind is Kind.COUNTER and m.of_hold}
    assert counters - others == set(from_zero)


@every_metric
def test_only_histograms_have_buckets_and_these_rise(metric):
    assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@every_metric
def test_it_says_what_to_do(metric):
    """A metric that nobody knows what to do about is not worth its series."""
    assert len(metric.when_it_moves) > len("It rises, and so it goes.")
    for mentioned in re.findall(r"layby_\w+", metric.when_it_moves):
        assert mentioned in {other.prometheus_name for other in METRICS}


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        (holding.REQUESTS, Outcome),
        (holding.SHEDS, {Cause.QUEUE_FULL, Cause.SERVER_FULL}),
        (holding.WAKES, Winner),
        (holding.COLD_START, Ending),
        (controlling.SLEEP_VERDICT, Reason),
    ],
    ids=lambda each: each.name if isinstance(each, Metric) else "",
)
def test_the_values_are_those_that_the_code_has(metric, values):
    """The packages must not import each other, but they must agree."""
    assert {str(each) for each in values} == last_label(metric)


def test_parked_requests_end_in_fewer_ways():
    at_once = {Outcome.READY, Outcome.SHED, Outcome.PROBED}
    assert {str(each) for each in set(Outcome) - at_once} == last_label(holding.DURATION)


def test_the_conditions_are_those_of_the_status():
    types, statuses = controlling.CONDITION.labels[2:]
    assert {each.value for each in ConditionType} == set(types.values)
    assert {each.value for each in Status} == set(statuses.values)


@pytest.mark.parametrize(
    ("name", "kind", "unit", "expected"),
    [
        ("layby.x", Kind.COUNTER, "{request}", "layby_x_total"),
        ("layby.x", Kind.GAUGE, "{request}", "layby_x"),
        ("layby.x.y", Kind.HISTOGRAM, "s", "layby_x_y_seconds"),
        ("layby.x", Kind.COUNTER, "s", "layby_x_seconds_total"),
        ("layby.x", Kind.GAUGE, "{request}/s", "layby_x_per_second"),
        ("layby.x", Kind.GAUGE, "By/s", "layby_x_bytes_per_second"),
        ("layby.x", Kind.STATE, "", "layby_x"),
    ],
)
def test_prometheus_names_follow_opentelemetrys_rules(name, kind, unit, expected):
    """So that a dashboard works whichever way the metrics came."""
    metric = Metric(
        name=name,
        kind=kind,
        unit=unit,
        description="",
        when_it_moves="",
        process=Process.BOTH,
    )
    assert expected == metric.prometheus_name
