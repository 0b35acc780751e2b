from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sleep import UNKNOWN_SECONDS, Decision, Reason, Situation, decide
from tests.controller.objects import asleep

IDLE = Situation(
    accepted=True,
    attached=True,
    left_to_keda=False,
    scaled_by_others=False,
    scale_refused=False,
    min_replicas=0,
    dry_run=False,
    replicas=2,
    up_for=3600.0,
    idle_after=300.0,
    demand=asleep(),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"replicas": 0}, Decision(Reason.ALREADY_ZERO)),
        ({}, Decision(Reason.IDLE)),
        ({"demand": asleep(quiet=300.0)}, Decision(Reason.IDLE)),
        ({"demand": asleep(quiet=299.0)}, Decision(Reason.RECENT_REQUEST, 1.0)),
        ({"demand": asleep(unbroken=299.0)}, Decision(Reason.RECENT_REQUEST, 1.0)),
        ({"demand": asleep(pending=1)}, Decision(Reason.BUSY)),
        ({"demand": asleep(in_flight=1)}, Decision(Reason.BUSY)),
        ({"demand": None}, Decision(Reason.DEMAND_UNKNOWN, UNKNOWN_SECONDS)),
        ({"demand": asleep(complete=False)}, Decision(Reason.DEMAND_UNKNOWN, UNKNOWN_SECONDS)),
        ({"up_for": 100.0}, Decision(Reason.JUST_STARTED, 200.0)),
        ({"dry_run": True}, Decision(Reason.DRY_RUN)),
        ({"dry_run": True, "demand": asleep(pending=1)}, Decision(Reason.BUSY)),
        ({"min_replicas": 1}, Decision(Reason.MIN_REPLICAS)),
        ({"accepted": False}, Decision(Reason.NOT_ACCEPTED)),
        ({"attached": False}, Decision(Reason.NOT_ATTACHED)),
        ({"scale_refused": True}, Decision(Reason.SCALE_REFUSED)),
        ({"scaled_by_others": True}, Decision(Reason.SCALED_BY_OTHERS)),
        ({"left_to_keda": True}, Decision(Reason.LEFT_TO_KEDA)),
        ({"left_to_keda": True, "demand": asleep(pending=1)}, Decision(Reason.BUSY)),
    ],
)
def test_it_sleeps_only_if_nothing_speaks_against_it(change, expected):
    """Each of these alone keeps it up, for a reason that can be told."""
    assert expected == decide(replace(IDLE, **change))


def test_it_is_idle_only_where_somebody_puts_it_to_sleep_or_would():
    """The phase says Idle where the workload would sleep, and not where that is not known."""
    idle = {each for each in Reason if Decision(each).is_idle}
    assert {Reason.IDLE, Reason.DRY_RUN, Reason.LEFT_TO_KEDA} == idle
    assert [Reason.IDLE] == [each for each in Reason if Decision(each).sleeps]


SITUATIONS = st.builds(
    Situation,
    accepted=st.booleans(),
    attached=st.booleans(),
    left_to_keda=st.booleans(),
    scaled_by_others=st.booleans(),
    scale_refused=st.booleans(),
    min_replicas=st.integers(0, 1),
    dry_run=st.booleans(),
    replicas=st.integers(0, 2),
    up_for=st.floats(0, 600),
    idle_after=st.just(300.0),
    demand=st.none()
    | st.builds(
        asleep,
        pending=st.integers(0, 1),
        in_flight=st.integers(0, 1),
        quiet=st.floats(0, 600),
        complete=st.booleans(),
    ),
)


@given(SITUATIONS)
def test_in_doubt_it_stays_up(situation):
    """A workload that sleeps while it is needed costs a request; one that is up costs money."""
    sleeps = decide(situation).sleeps
    known = situation.demand is not None and situation.demand.complete
    held = situation.accepted and situation.attached and not situation.dry_run
    alone = not (situation.left_to_keda or situation.scaled_by_others)
    assert not sleeps or (known and held and alone and not situation.min_replicas)


@given(SITUATIONS)
def test_it_is_looked_at_again_when_time_alone_may_change_the_decision(situation):
    """Nobody else would come: no request is what it waits for."""
    decision = decide(situation)
    if decision.again_after is None or situation.demand is None:
        return
    assert decision.again_after > 0
    later = decision.again_after + 0.001
    moved = replace(
        situation,
        up_for=situation.up_for + later,
        demand=replace(situation.demand, quiet=situation.demand.quiet + later),
    )
    assert decide(moved) != decision or decision.reason is Reason.DEMAND_UNKNOWN
