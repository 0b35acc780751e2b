from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.conflicts import Claimant, Loss, lost
from kube.resource import Key

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def claimant(name, age=0):
    return Claimant(EPOCH - timedelta(seconds=age), Key("shop", name))


ME, OLD, TWIN, YOUNG = claimant("m"), claimant("z", 9), claimant("a"), claimant("a", -9)


@pytest.mark.parametrize(
    ("target", "services", "expected"),
    [
        ([ME], {"cart": [ME]}, None),
        ([], {}, None),
        ([ME, YOUNG], {"cart": [ME, YOUNG]}, None),
        ([ME, OLD], {}, Loss(OLD.key)),
        ([ME, TWIN], {}, Loss(TWIN.key)),
        ([TWIN, OLD, ME], {}, Loss(OLD.key)),
        ([ME], {"cart": [ME], "api": [ME, OLD]}, Loss(OLD.key, "api")),
        ([ME], {"b": [OLD], "a": [TWIN]}, Loss(TWIN.key, "a")),
        ([ME, OLD], {"cart": [TWIN]}, Loss(OLD.key)),
    ],
)
def test_the_older_one_has_it_and_then_the_first_by_name(target, services, expected):
    """Both must come to the same result, whichever is looked at first."""
    assert expected == lost(ME, target, services)


def test_the_message_names_the_winner_and_the_way_out():
    """Who gets it has two objects before them, and sees what to do with which."""
    assert "TrafficHold z is older" in str(Loss(OLD.key))
    assert "holds Service api" in str(Loss(OLD.key, "api"))
    assert "spec.services" in str(Loss(OLD.key, "api"))


CLAIMANTS = st.lists(
    st.builds(claimant, st.sampled_from("abcdef"), st.integers(-2, 2)), unique_by=lambda c: c.key
)


@given(CLAIMANTS)
def test_of_all_that_want_the_same_exactly_one_has_it(claimants):
    """Neither two nor none: requests for it have to wake one workload."""
    winners = [each for each in claimants if lost(each, claimants, {"cart": claimants}) is None]
    assert min(len(claimants), 1) == len(winners)
