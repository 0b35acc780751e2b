"""The values of metrics."""

import pytest

from telemetry.catalogue import METRICS
from telemetry.catalogue.controlling import (
    CONDITION,
    FEED_AGE,
    LEADER,
    RECONCILE,
    SLEEP_VERDICT,
    SLEEPS,
)
from telemetry.catalogue.holding import DURATION, PARKED, REQUESTS, SHEDS
from telemetry.store import Exemplar, Store

CART, SHOES = ("shop", "cart"), ("shop", "shoes")


@pytest.fixture
def store():
    return Store(METRICS)


def values(store, metric):
    (reading,) = [each for each in store.read() if each.metric is metric]
    return reading.values


def test_counters_add_up(store):
    assert (1, 3) == (store.add(SLEEPS, CART), store.add(SLEEPS, CART, 2.0))
    assert values(store, SLEEPS) == {CART: 3}


def test_series_can_be_there_before_anything_has_happened(store):
    """What Prometheus sees first is where it counts from, be it the first event."""
    store.add(SHEDS, (*CART, "queue-full"))
    for metric in (SHEDS, SLEEPS):
        store.begin(metric, CART)
    assert {(*CART, "queue-full"): 1, (*CART, "server-full"): 0} == values(store, SHEDS)
    assert {CART: 0} == values(store, SLEEPS)


def test_a_histogram_too_can_be_there_before_anything_has_happened(store):
    store.observe(RECONCILE, ("gate", "ok"), 0.2)
    store.begin(RECONCILE, ("gate",))
    (reading,) = [each for each in store.read() if each.metric is RECONCILE]
    counts = {labels: sum(each.counts) for labels, each in reading.distributions.items()}
    assert {("gate", "ok"): 1, ("gate", "error"): 0} == counts


def test_gauges_are_as_last_said(store):
    store.set(LEADER, (), 1)
    store.set(LEADER, (), 0)
    assert values(store, LEADER) == {(): 0}


def test_a_state_has_one_series(store):
    """Otherwise a workload would have as many as there are reasons."""
    store.switch(SLEEP_VERDICT, CART, "Busy")
    store.switch(SLEEP_VERDICT, CART, "Idle")
    assert values(store, SLEEP_VERDICT) == {(*CART, "Idle"): 1}


def test_values_fall_into_the_bucket_with_the_next_bound(store):
    """A value that equals a bound belongs under it, as Prometheus' `le` says."""
    for value in (0.05, 0.1, 0.11, 301.0):
        store.observe(DURATION, (*CART, "released"), value)
    (reading,) = [each for each in store.read() if each.metric is DURATION]
    (series,) = reading.distributions.values()
    assert [2, 1, *[0] * 11, 1] == series.counts
    assert (0.05, 301.0) == (series.least, series.most)
    assert pytest.approx(301.26) == series.sum


def test_each_bucket_keeps_its_latest_exemplar(store):
    old, new = Exemplar(1.5, 1, 1, 1.0), Exemplar(1.6, 2, 2, 2.0)
    for exemplar in (old, new, None):
        store.observe(DURATION, (*CART, "released"), 1.5, exemplar)
    (reading,) = [each for each in store.read() if each.metric is DURATION]
    (series,) = reading.distributions.values()
    assert {4: new} == series.exemplars


def test_a_reading_does_not_change_any_more(store):
    """It is written in another thread, while the event loop goes on counting."""
    store.add(SLEEPS, CART)
    store.observe(DURATION, (*CART, "released"), 1.0, Exemplar(1.0, 1, 1, 1.0))
    before = store.read()
    store.add(SLEEPS, CART)
    store.observe(DURATION, (*CART, "released"), 1.0, Exemplar(2.0, 2, 2, 2.0))
    series = {each.metric: each for each in before}
    assert series[SLEEPS].values == {CART: 1}
    (kept,) = series[DURATION].distributions.values()
    assert (1, 1.0) == (sum(kept.counts), kept.exemplars[3].value)


def test_what_is_watched_is_asked_for_when_read(store):
    ages = iter((1.0, 2.0))
    store.watch(FEED_AGE, lambda: [((), next(ages))])
    assert [{(): 1.0}, {(): 2.0}] == [values(store, FEED_AGE) for _ in range(2)]


def test_what_is_known_of_a_deleted_hold_goes_with_it(store):
    """Names of workloads are unbounded over time."""
    for hold in (CART, SHOES):
        store.add(REQUESTS, (*hold, "shed"))
        store.switch(CONDITION, (*hold, "Ready"), "True")
        store.observe(DURATION, (*hold, "released"), 1.0)
    store.set(LEADER, (), 1)
    store.retain({CART})
    left = {
        labels[:2]
        for reading in store.read()
        if reading.metric.of_hold
        for labels in (*reading.values, *reading.distributions)
    }
    assert left == {CART}
    assert values(store, LEADER) == {(): 1}


def test_gauges_and_states_can_be_handed_on(store):
    """Two controllers that tell of one condition would contradict each other."""
    store.switch(SLEEP_VERDICT, CART, "Busy")
    store.add(PARKED, CART)
    store.clear([SLEEP_VERDICT, PARKED])
    assert ({}, {}) == (values(store, SLEEP_VERDICT), values(store, PARKED))


def test_a_value_can_be_looked_up(store):
    store.add(PARKED, CART)
    assert (1, 0) == (store.value(PARKED, CART), store.value(PARKED, SHOES))
