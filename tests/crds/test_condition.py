from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from crds.condition import (
    Accepted,
    Attached,
    ConditionType,
    Ready,
    Reason,
    ScalerReady,
    Status,
    judge,
    merge,
    status_of,
)

EARLIER = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = EARLIER + timedelta(hours=1)


def test_the_same_judgement_again_changes_nothing():
    """A steady state writes nothing, however often it is looked at."""
    current = merge((), judge(Accepted.ACCEPTED, "fine", now=EARLIER, generation=1))
    assert current == merge(current, judge(Accepted.ACCEPTED, "fine", now=LATER, generation=1))


def test_another_reason_for_the_same_status_is_no_transition():
    """The time tells for how long it has been so, not when it was last explained."""
    current = merge((), judge(Accepted.NO_SERVICES, now=EARLIER))
    (condition,) = merge(current, judge(Accepted.TARGET_NOT_FOUND, "gone", now=LATER))
    assert ("TargetNotFound", "gone", EARLIER) == (
        condition.reason,
        condition.message,
        condition.last_transition_time,
    )


def test_another_status_is_a_transition():
    """A dashboard draws it."""
    current = merge((), judge(Accepted.NO_SERVICES, now=EARLIER))
    (condition,) = merge(current, judge(Accepted.ACCEPTED, now=LATER))
    assert (Status.TRUE, LATER) == (condition.status, condition.last_transition_time)


def test_a_new_generation_is_noted_without_a_transition():
    """Who has just changed the spec waits for the status to speak of it."""
    current = merge((), judge(Ready.READY, now=EARLIER, generation=1))
    (condition,) = merge(current, judge(Ready.READY, now=LATER, generation=2))
    assert (2, EARLIER) == (condition.observed_generation, condition.last_transition_time)


def test_conditions_keep_their_places():
    """A list that changes its order looks like a change to everybody who compares."""
    current = merge((), judge(Accepted.ACCEPTED, now=EARLIER), judge(Attached.PENDING, now=EARLIER))
    merged = merge(current, judge(Ready.READY, now=LATER), judge(Accepted.INVALID, now=LATER))
    assert ["Accepted", "Attached", "Ready"] == [condition.type for condition in merged]


def test_conditions_of_others_are_left_alone():
    """What a person or a tool has added is not ours to remove."""
    foreign = judge(Ready.READY, now=EARLIER).model_copy(update={"type": "example.com/Audited"})
    assert foreign in merge((foreign,), judge(Ready.DRY_RUN, now=LATER))


def test_a_time_is_kept_to_the_second():
    """It is written so, and must compare equal when it is read back."""
    moment = EARLIER.replace(microsecond=999_999)
    assert EARLIER == judge(Ready.READY, now=moment).last_transition_time


def test_a_message_fits():
    """A status that the API server refuses tells nobody anything."""
    assert 32_768 == len(judge(Ready.WAKE_FAILED, "x" * 100_000, now=EARLIER).message)


@pytest.mark.parametrize(
    ("reason", "kind", "status"),
    [
        (Accepted.ACCEPTED, ConditionType.ACCEPTED, Status.TRUE),
        (Accepted.SERVICE_CONFLICT, ConditionType.ACCEPTED, Status.FALSE),
        (Attached.UNVERIFIED, ConditionType.ATTACHED, Status.UNKNOWN),
        (Attached.DRY_RUN, ConditionType.ATTACHED, Status.UNKNOWN),
        (ScalerReady.DIRECT, ConditionType.SCALER_READY, Status.TRUE),
        (ScalerReady.FORBIDDEN, ConditionType.SCALER_READY, Status.FALSE),
        (Ready.DRY_RUN, ConditionType.READY, Status.UNKNOWN),
    ],
)
def test_a_reason_has_its_type_and_status(reason, kind, status):
    """So that no reason can be reported under the wrong heading."""
    condition = judge(reason, now=EARLIER)
    assert (kind, status, reason) == (condition.type, condition.status, condition.reason)


@pytest.mark.parametrize("reasons", get_args(Reason))
def test_each_type_can_be_true_in_some_way(reasons):
    """A condition that is never true would make Ready never true."""
    assert Status.TRUE in {status_of(reason) for reason in reasons}
    assert all(reason.isalnum() for reason in reasons)
