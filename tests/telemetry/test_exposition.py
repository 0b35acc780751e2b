"""What Prometheus is told, read back by its own parsers."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from extproc.core.outcome import Outcome
from telemetry.catalogue import METRICS
from telemetry.catalogue.controlling import SLEEP_VERDICT, ZERO_TIME
from telemetry.catalogue.holding import DURATION, PARKED, REQUESTS
from telemetry.exposition import Exposition
from telemetry.store import Exemplar, Store

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CART = ("shop", "cart")


@pytest.fixture
def store():
    store = Store(METRICS)
    store.add(PARKED, CART, 3)
    store.add(REQUESTS, (*CART, Outcome.RELEASED), 7)
    store.add(ZERO_TIME, CART, 60)
    store.switch(SLEEP_VERDICT, CART, "Idle")
    store.observe(DURATION, (*CART, Outcome.RELEASED), 1.5, Exemplar(1.5, 0xAB, 0xCD, 12.5))
    store.observe(DURATION, (*CART, Outcome.RELEASED), 400.0)
    return store


def samples(parse, page):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample
        for family in parse(page.body.decode())
        for sample in family.samples
    }


def labelled(**labels):
    return tuple(sorted({"namespace": "shop", "name": "cart", **labels}.items()))


@pytest.mark.parametrize(("parse", "accept"), [(plain, ""), (openmetrics, OPENMETRICS)])
def test_both_formats_say_the_same(store, parse, accept):
    told = samples(parse, Exposition().page(store.read(), accept))
    buckets = "layby_hold_duration_seconds_bucket"
    outcome = {"outcome": "released"}
    assert {
        ("layby_hold_parked", labelled()): 3,
        ("layby_hold_requests_total", labelled(**outcome)): 7,
        ("layby_zero_time_seconds_total", labelled()): 60,
        ("layby_sleep_verdict", labelled(reason="Idle")): 1,
        (buckets, labelled(le="1.0", **outcome)): 0,
        (buckets, labelled(le="2.0", **outcome)): 1,
        (buckets, labelled(le="+Inf", **outcome)): 2,
        ("layby_hold_duration_seconds_count", labelled(**outcome)): 2,
        ("layby_hold_duration_seconds_sum", labelled(**outcome)): 401.5,
    }.items() <= {key: sample.value for key, sample in told.items()}.items()


def test_openmetrics_carries_exemplars(store):
    """One click from a slow bucket to the trace of a request in it."""
    told = samples(openmetrics, Exposition().page(store.read(), OPENMETRICS))
    key = "layby_hold_duration_seconds_bucket", labelled(le="2.0", outcome="released")
    exemplar = told[key].exemplar
    assert {"trace_id": f"{0xAB:032x}", "span_id": f"{0xCD:016x}"} == exemplar.labels
    assert (1.5, 12.5) == (exemplar.value, float(exemplar.timestamp))


def test_what_this_process_knows_nothing_of_is_left_out():
    page = Exposition().page(Store(METRICS).read())
    assert b"layby_" not in page.body


def test_the_process_itself_is_among_them():
    """Under the names that every dashboard for processes knows."""
    page = Exposition().page([])
    assert b"process_resident_memory_bytes" in page.body


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("", "text/plain; version=0.0.4"), (OPENMETRICS, "application/openmetrics-text")],
)
def test_the_format_is_the_one_that_is_asked_for(accept, content_type):
    assert Exposition().page([], accept).content_type.startswith(content_type)


def test_names_in_any_script_are_told_as_they_are():
    store = Store(METRICS)
    store.add(PARKED, ('a"b\\', "c\nd"))
    told = samples(openmetrics, Exposition().page(store.read(), OPENMETRICS))
    assert ("layby_hold_parked", (("name", "c\nd"), ("namespace", 'a"b\\'))) in told
