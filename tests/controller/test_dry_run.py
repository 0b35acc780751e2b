"""What would have been, on a clock of the test's own."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.dry_run import (
    FIRST_GUESS_SECONDS,
    LOOK_SECONDS,
    Rehearsal,
    Sight,
    begun,
    rehearse,
    start_seconds,
)
from controller.plan import plan
from controller.sleep import Reason
from crds.v1alpha1.dry_run import MOST_SECONDS, DryRun
from crds.v1alpha1.traffichold import LastWake, WakeOutcome
from tests.controller.objects import asleep, facts, read_hold
from tests.controller.plans import GONE, IDLE, LATER, NOW, settled

DRY = read_hold(spec={"dryRun": True})


def seen(at, reason=Reason.RECENT_REQUEST, *, requests=0, quiet=0.0, replicas=1) -> Sight:
    """What is seen of a workload whose start takes five seconds."""
    return Sight(at=at, reason=reason, replicas=replicas, requests=requests, quiet=quiet, start=5.0)


def after(*sights: Sight) -> Rehearsal:
    """The account after some looks, begun at 0."""
    account = begun(None, 0.0, 0)
    for each in sights:
        account = rehearse(account, each)
    return account


def figures(account: Rehearsal):
    """What people ask for."""
    return account.sleeps, account.requests, account.saved


def test_while_there_are_requests_nothing_would_have_been():
    """A busy workload gains nothing, and so it must say."""
    account = after(seen(1), seen(50, Reason.BUSY, requests=70))
    assert (0, 0, 0.0) == figures(account)
    assert account.again_after is None


def test_an_idle_workload_would_sleep_until_its_next_request():
    """The time in between is what is saved, for each replica."""
    account = after(
        seen(10, Reason.DRY_RUN, requests=4, replicas=3),
        seen(110, Reason.DRY_RUN, requests=4, replicas=3),
    )
    assert (1, 0, 300.0) == figures(account)
    assert account.asleep
    assert LOOK_SECONDS == account.again_after
    # The request came two seconds ago.
    account = rehearse(account, seen(122, requests=5, quiet=2.0, replicas=3))
    assert (1, 0, 330.0) == figures(account)
    assert not account.asleep
    assert 3.0 == account.again_after


def test_those_who_come_while_it_would_start_would_have_waited():
    """The first, and all behind it until it would be up; nobody after that."""
    sights = [seen(10, Reason.DRY_RUN, requests=4), seen(100, requests=5), seen(103, requests=9)]
    assert (1, 0) == figures(after(*sights))[:2]
    sights.append(seen(105, requests=12))
    assert (1, 8, 90.0) == figures(after(*sights))
    assert (1, 8, 90.0) == figures(after(*sights, seen(200, requests=50)))


def test_one_that_sleeps_again_is_counted_again():
    """How often is what idle.after is chosen by."""
    account = after(
        seen(10, Reason.DRY_RUN),
        seen(20, requests=1),
        seen(25, requests=1),
        seen(40, Reason.DRY_RUN, requests=1),
    )
    assert (2, 1, 10.0) == figures(account)


def test_a_request_that_is_heard_of_late_is_counted_all_the_same():
    """It may be idle again when it is looked at, and even the start would be over."""
    account = after(seen(10, Reason.DRY_RUN), seen(60, Reason.DRY_RUN, requests=2, quiet=30.0))
    assert (1, 2, 20.0) == figures(account)
    assert 2 == rehearse(account, seen(61, Reason.DRY_RUN, requests=2, quiet=31.0)).sleeps


def test_what_is_at_zero_stays_there_while_a_hold_server_is_not_heard():
    """A restart of a hold server is no wake, nor a further sleep after it."""
    account = after(
        seen(10, Reason.DRY_RUN, requests=9),
        seen(20, Reason.DEMAND_UNKNOWN, requests=0),
        seen(50, Reason.DRY_RUN, requests=0),
    )
    assert (1, 0, 40.0) == figures(account)
    assert account.asleep
    # Counted from zero: this is one.
    assert 1 == rehearse(rehearse(account, seen(60, requests=1)), seen(65, requests=1)).requests


@pytest.mark.parametrize("reason", [Reason.MIN_REPLICAS, Reason.ALREADY_ZERO, Reason.NOT_ACCEPTED])
def test_what_forbids_sleep_ends_it_and_nobody_would_have_waited(reason):
    """Somebody else has it up, or down."""
    account = after(seen(10, Reason.DRY_RUN), seen(20, reason))
    assert (1, 0, 10.0) == figures(account)
    assert not account.asleep


def test_a_new_leader_goes_on_with_what_the_status_tells():
    """It is no further sleep, and what was before is not forgotten."""
    told = after(seen(10, Reason.DRY_RUN, requests=3), seen(50, Reason.DRY_RUN, requests=3)).told()
    assert DryRun(since=datetime.fromtimestamp(0, UTC), asleep=True, sleeps=1, saved=40.0) == told
    account = rehearse(begun(told, 60.0, 2), seen(70, Reason.DRY_RUN, requests=2))
    assert (1, 0, 50.0) == figures(account)
    assert 0.0 == account.since


def test_no_account_is_longer_than_a_status_takes():
    """A write that is refused would cost all others of the status."""
    assert MOST_SECONDS == replace(after(seen(1)), saved=1e12).told().saved


def test_a_start_takes_as_long_as_the_latest_one():
    """And where there was none, or it failed, a guess."""
    wake = LastWake(at=NOW, duration=1.25, outcome=WakeOutcome.SUCCEEDED)
    assert 1.25 == start_seconds(wake)
    failed = wake.model_copy(update={"outcome": WakeOutcome.FAILED})
    assert [FIRST_GUESS_SECONDS] * 2 == [start_seconds(None), start_seconds(failed)]


def test_the_status_tells_it_only_while_it_is_asked_for():
    """Old figures beside a hold that is real would be taken for its own."""
    dry = settled(facts(hold=DRY, demand=IDLE))
    assert dry.hold.status.dry_run
    assert (True, 1) == (dry.hold.status.dry_run.asleep, dry.hold.status.dry_run.sleeps)
    spec = dry.hold.spec.model_copy(update={"dry_run": False})
    made = plan(replace(dry, hold=dry.hold.model_copy(update={"spec": spec})), LATER)
    assert made.status
    assert made.status.dry_run is None
    assert made.rehearsal is None


def test_what_is_saved_is_written_now_and_then():
    """A write for each second would be no saving."""
    made = plan(facts(hold=DRY, demand=IDLE), NOW)
    before = replace(settled(facts(hold=DRY, demand=IDLE)), rehearsal=made.rehearsal)
    assert plan(before, LATER).status is None
    much = NOW.fromtimestamp(NOW.timestamp() + LOOK_SECONDS, UTC)
    written = plan(before, much).status
    assert written
    assert written.dry_run
    assert LOOK_SECONDS == written.dry_run.saved


def test_nothing_is_concluded_while_nothing_is_known():
    """Neither of a workload that is not there, nor without any hold server."""
    made = plan(facts(hold=DRY, demand=IDLE), NOW)
    for change in ({"demand": None}, {"target": GONE}):
        kept = plan(facts(hold=DRY, rehearsal=made.rehearsal, **change), LATER)
        assert made.rehearsal == kept.rehearsal


@pytest.mark.parametrize("demand", [None, replace(IDLE, complete=False)])
def test_no_account_begins_before_all_hold_servers_have_been_heard(demand):
    """What they had counted before would look like requests that came just now."""
    made = plan(facts(hold=DRY, demand=demand), NOW)
    assert made.rehearsal is None


def test_its_requests_are_asked_of_the_demand():
    """The plan is where sleep and requests meet."""
    made = plan(facts(hold=DRY, demand=asleep(requests=7)), NOW)
    assert made.rehearsal
    assert 7 == made.rehearsal.counted
    woken = facts(hold=DRY, demand=asleep(quiet=0.0, requests=8), rehearsal=made.rehearsal)
    made = plan(woken, LATER)
    assert made.rehearsal
    assert FIRST_GUESS_SECONDS == made.again_after
