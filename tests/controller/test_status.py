from dataclasses import replace
from datetime import timedelta

import pytest

from controller.plan import plan
from crds.v1alpha1.traffichold import Phase
from tests.controller.objects import (
    ATTACHED,
    asleep,
    facts,
    read_hold,
)
from tests.controller.plans import (
    GONE,
    IDLE,
    LATER,
    NOW,
    settled,
)


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({}, Phase.WARM),
        ({"demand": None}, Phase.WARM),
        ({"ready_endpoints": 0}, Phase.WAKING),
        ({"replicas": 0, "ready_endpoints": 0, "demand": IDLE}, Phase.ZERO),
        ({"replicas": 0, "ready_endpoints": 1, "demand": IDLE}, Phase.ZERO),
        ({"replicas": 0, "ready_endpoints": 0, "demand": asleep(pending=1)}, Phase.WAKING),
        ({"demand": IDLE}, Phase.ZERO),
        ({"demand": IDLE, "hold": read_hold(spec={"dryRun": True})}, Phase.IDLE),
        ({"demand": replace(IDLE, complete=False)}, Phase.WARM),
        ({"target": GONE}, None),
    ],
)
def test_the_phase_is_what_the_workload_is_doing(change, phase):
    """It is the first thing that people see of a TrafficHold."""
    status = plan(facts(**change), NOW).status
    assert status
    assert phase == status.phase


def test_the_number_of_parked_requests_is_not_written_for_each_of_them():
    """It is there to be looked at, every two seconds at most."""
    waking = {"ready_endpoints": 0}
    after = settled(facts(demand=asleep(pending=1, in_flight=1), **waking))
    more = replace(after, demand=asleep(pending=9, in_flight=9), status_age=0.5)
    assert plan(more, LATER).is_empty
    assert 1.5 == plan(more, LATER).again_after
    status = plan(replace(more, status_age=2.0), LATER).status
    assert status
    assert 9 == status.pending


def test_the_time_of_the_last_request_is_written_now_and_then():
    """It is there for when all hold servers are restarted, not for statistics."""
    after = settled(facts(demand=asleep(quiet=1.0, in_flight=1)))
    assert plan(after, NOW + timedelta(minutes=14)).is_empty
    status = plan(after, NOW + timedelta(minutes=16)).status
    assert status
    assert NOW + timedelta(minutes=16, seconds=-1) == status.last_request_time


def test_a_restart_of_the_hold_servers_does_not_forge_a_request():
    """They know of none then, and how long they have been up is no time of a request."""
    asked = settled(facts(demand=asleep(quiet=60.0)))
    restarted = replace(asked, demand=asleep(quiet=20.0, requested=False))
    assert plan(restarted, NOW + timedelta(hours=9)).is_empty


def test_how_many_proxies_there_are_is_no_reason_to_write():
    """Each pod that starts would have the statuses of all TrafficHolds written."""
    after = settled(facts())
    assert plan(replace(after, gate=ATTACHED._replace(message="2 of 2")), LATER).is_empty
