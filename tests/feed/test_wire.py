from dataclasses import replace

import pytest

from feed import wire
from feed.board import HoldName, Share
from feed.feed_pb2 import HoldDemand, Report
from feed.wake import Wake, WakeOutcome

CART = HoldName("shop", "cart")
HERE, THERE = 5000.0, 70.0
"""What the clocks of two machines may say at one moment."""


@pytest.mark.parametrize("outcome", WakeOutcome)
def test_what_is_said_is_what_is_heard(outcome):
    """By the listener's own clock, except for what is told to people."""
    wake = Wake(1_800_000_000.5, 2.25, outcome, "why")
    share = Share(2, 3, 0.5, HERE - 9, waking=True, last_wake=wake, requests=70, sheds=4)
    said = wire.report({CART: share}, 60, HERE, log_streams=3)
    heard = Report.FromString(said.SerializeToString())
    assert 3 == heard.log_streams
    assert 60 == heard.account_age_seconds
    expected = {CART: replace(share, last_request=THERE - 9)}
    assert expected == wire.shares_of(heard, THERE)


def test_a_hold_server_of_an_earlier_version_is_understood():
    """While one is rolled out, old and new ones listen to one another."""
    old = HoldDemand(namespace="shop", name="cart", pending=1, last_request_age_seconds=2)
    assert {CART: Share(1, 0, 0.0, THERE - 2)} == wire.shares_of(Report(holds=[old]), THERE)


def test_an_outcome_of_a_later_version_is_left_out():
    """Rather than taken for another one."""
    said = wire.report(
        {CART: Share(last_request=HERE, last_wake=Wake(1.0, 2.0, WakeOutcome.FAILED))},
        60,
        HERE,
        log_streams=0,
    )
    # As protobuf keeps a number that it has no name for.
    said.holds[0].last_wake.outcome = 99  # type: ignore[assignment]
    heard = Report.FromString(said.SerializeToString())
    assert {CART: Share(last_request=THERE)} == wire.shares_of(heard, THERE)
