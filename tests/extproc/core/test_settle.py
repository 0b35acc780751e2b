import pytest

from extproc.core.settle import (
    DECAY,
    GROWTH,
    LEAST_MIDDLE_PAUSE,
    MIDDLE_CHANCE_FACTOR,
    Settle,
)
from extproc.core.workload import Chance

FIRST, SECOND, LAST = Chance(1, 3), Chance(2, 3), Chance(3, 3)


@pytest.mark.parametrize(
    ("chance", "since_ready", "expected"),
    [
        (FIRST, 0.0, 0.2),
        (FIRST, 0.15, 0.05),
        (FIRST, 0.2, 0.2),
        (FIRST, 9.0, 0.2),
        (SECOND, 0.0, 0.2 * MIDDLE_CHANCE_FACTOR),
        (SECOND, 9.0, 0.2 * MIDDLE_CHANCE_FACTOR),
        (LAST, 0.0, 5.0),
        (LAST, 9.0, 5.0),
        (Chance(1, 1), 0.0, 0.2),
        (Chance(4, 3), 0.0, 5.0),
    ],
    ids=[
        "first, just ready",
        "first, on its way",
        "first, Envoy is late",
        "first, Envoy is very late",
        "second",
        "second, late",
        "last",
        "last, late",
        "the only one",
        "beyond the last",
    ],
)
def test_a_request_that_envoy_could_not_route_yet_waits_by_its_chance(
    chance, since_ready, expected
):
    """Each chance that is left is one more try; the last one is not gambled with."""
    assert pytest.approx(expected) == Settle(first=0.2).pause(chance, since_ready)


@pytest.mark.parametrize(
    ("first", "expected"),
    [(0.0, LEAST_MIDDLE_PAUSE), (0.01, LEAST_MIDDLE_PAUSE), (1.5, 2.0)],
    ids=["no wait learnt", "a short wait", "not beyond the ceiling"],
)
def test_the_second_pause_is_bounded_both_ways(first, expected):
    """Zero would bounce the request at once; no bound would turn one slow day into timeouts."""
    assert expected == Settle(first=first, ceiling=2.0).pause(SECOND, 0.0)


def test_a_second_chance_in_a_mesh_costs_less_than_half_a_second():
    """There the wait is about 180 ms, and every request pays for it that came a little early."""
    assert pytest.approx(0.36) == Settle(first=0.18).pause(SECOND, 0.2)


def test_it_learns_from_a_request_that_came_back():
    """The lag of a mesh's control plane is not known in advance and changes with its load."""
    settle = Settle(first=0.1, ceiling=2.0)
    settle.came_back(0.4)
    assert 0.4 * GROWTH == settle.wait
    settle.came_back(0.1)
    assert 0.4 * GROWTH == settle.wait
    settle.came_back(60.0)
    assert settle.wait == 2.0


def test_what_it_learnt_fades():
    """One bad minute of istiod must not slow every cold start from then on."""
    settle = Settle(first=0.1)
    settle.came_back(0.8)
    settle.kept()
    assert pytest.approx(DECAY) == settle.wait
    for _ in range(300):
        settle.kept()
    assert settle.wait == 0.1
