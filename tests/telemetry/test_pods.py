"""How far pods have come."""

import pytest

from telemetry.cold_start import Mark
from telemetry.pods import marks


def pod(*conditions, running=(), ending=False):
    metadata = {"deletionTimestamp": "2026-11-24T12:00:00Z"} if ending else {}
    since = {"startedAt": "2026-11-24T11:00:00Z"}
    statuses = [{"state": {"running": since} if up else {}} for up in running]
    return {
        "metadata": metadata,
        "status": {
            "conditions": [{"type": each, "status": "True"} for each in conditions],
            "containerStatuses": statuses,
        },
    }


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], []),
        ([{"metadata": {}}], []),
        ([pod()], []),
        ([pod("PodScheduled")], [Mark.SCHEDULED]),
        ([pod("PodScheduled", running=(True, False))], [Mark.SCHEDULED]),
        ([pod("PodScheduled", running=(True, True))], [Mark.SCHEDULED, Mark.STARTED]),
        (
            [pod("PodScheduled", "Ready", running=(True,))],
            [Mark.SCHEDULED, Mark.STARTED, Mark.READY],
        ),
        ([pod(), pod("PodScheduled")], [Mark.SCHEDULED]),
    ],
)
def test_the_quickest_pod_counts(pods, expected):
    assert expected == list(marks(pods))


def test_a_pod_that_ends_is_of_the_life_before():
    """It would mark a start as done that has just begun."""
    assert not list(marks([pod("PodScheduled", "Ready", running=(True,), ending=True)]))


def test_a_condition_that_is_not_true_is_no_mark():
    waiting = {
        "metadata": {},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False"}]},
    }
    assert not list(marks([waiting]))
