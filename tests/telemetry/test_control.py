"""What the controller counts."""

import asyncio

import pytest

from telemetry.catalogue import METRICS
from telemetry.catalogue.controlling import (
    CONDITION,
    DRY_RUN_REQUESTS,
    DRY_RUN_SAVED,
    DRY_RUN_SLEEPS,
    RECONCILE,
    REPLICAS,
    SAVED_CPU,
    SLEEP_VERDICT,
    SLEEPS,
    ZERO_TIME,
)
from telemetry.control import ControlRecorder
from telemetry.store import Store

CART = ("shop", "cart")


class Control:
    """A recorder, and the time that a test turns."""

    def __init__(self):
        self.now = 0.0
        self.store = Store(METRICS)
        self.recorder = ControlRecorder(self.store, lambda: self.now)

    def read(self, metric):
        """A metric with all its series."""
        (reading,) = [each for each in self.store.read() if each.metric is metric]
        return reading


@pytest.fixture
def control():
    return Control()


def test_decisions_conditions_and_sleeps_are_told(control):
    control.recorder.decided(CART, "Busy")
    control.recorder.condition(CART, "Ready", "False")
    control.recorder.condition(CART, "Ready", "True")
    control.recorder.slept(CART)
    assert control.read(SLEEP_VERDICT).values == {(*CART, "Busy"): 1}
    assert control.read(CONDITION).values == {(*CART, "Ready", "True"): 1}
    assert control.read(SLEEPS).values == {CART: 1}


def test_replicas_are_told_of_what_is_there(control):
    """A workload that is gone has none, but is not at zero either."""
    control.recorder.saw(CART, 3, 0.5)
    assert {CART: 3.0} == control.read(REPLICAS).values
    control.recorder.missed(CART)
    control.now = 10.0
    assert {} == control.read(REPLICAS).values
    assert {CART: 0.0} == control.read(ZERO_TIME).values


def test_a_controller_that_does_not_lead_tells_of_no_workload(control):
    """But what it counted while it led has happened."""
    control.recorder.decided(CART, "Busy")
    control.recorder.condition(CART, "Ready", "True")
    control.recorder.slept(CART)
    control.recorder.saw(CART, 0, 0.5)
    control.now = 10.0
    control.recorder.resigned()
    control.now = 20.0
    for metric in (SLEEP_VERDICT, CONDITION, REPLICAS):
        assert {} == control.read(metric).values
    assert control.read(SLEEPS).values == {CART: 1}
    assert control.read(ZERO_TIME).values == {CART: 10.0}
    assert control.read(SAVED_CPU).values == {CART: 5.0}


def test_savings_of_workloads_that_are_gone_are_forgotten(control):
    control.recorder.saw(CART, 0, 0.5)
    control.recorder.retain(set())
    assert control.read(ZERO_TIME).values == {}


async def test_work_is_timed_and_does_what_it_did(control):
    async def work(key):
        control.now += 0.2
        return float(len(key))

    assert await control.recorder.timed("gate", work)("all") == 3.0
    series = control.read(RECONCILE).distributions
    assert [0.2, 0.0] == [pytest.approx(series["gate", each].sum) for each in ("ok", "error")]


async def test_work_that_fails_is_an_error_and_fails_all_the_same(control):
    async def work(_):
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        await control.recorder.timed("gate", work)("all")
    series = control.read(RECONCILE).distributions
    assert [0, 1] == [sum(series["gate", each].counts) for each in ("ok", "error")]


def test_errors_are_counted_from_0(control):
    """Or Prometheus would not know of the first."""
    control.recorder.timed("gate", asyncio.sleep)
    assert {("gate", "ok"), ("gate", "error")} == control.read(RECONCILE).distributions.keys()


def test_what_would_have_been_is_counted(control):
    """Of those that ask for it only: a series for each other hold would be no finding."""
    control.recorder.rehearsed(CART, 1, 0)
    control.recorder.would_save(CART, 3)
    control.recorder.would_save(("shop", "book"), 0)
    control.now = 10.0
    control.recorder.rehearsed(CART, 0, 4)
    control.recorder.would_save(CART, 0)
    control.now = 20.0
    assert control.read(DRY_RUN_SLEEPS).values == {CART: 1}
    assert control.read(DRY_RUN_REQUESTS).values == {CART: 4}
    assert control.read(DRY_RUN_SAVED).values == {CART: 30}
    control.recorder.retain(set())
    control.recorder.resigned()
    assert control.read(DRY_RUN_SAVED).values == {}
