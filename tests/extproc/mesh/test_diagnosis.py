from datetime import UTC, datetime

import pytest

from extproc.mesh.diagnosis import HOPELESS_WAITING, diagnose, refused
from tests.extproc.mesh.objects import QUOTA, deployment, event, pod, unschedulable

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
LONG, SHORT = "2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"
NEWS = "FailedCreate: exceeded quota: pods"
BROKEN = pod(waiting="ImagePullBackOff")
CRASHED = {
    "name": "app",
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    "lastState": {"terminated": {"exitCode": 3}},
}


@pytest.mark.parametrize("reason", sorted(HOPELESS_WAITING))
def test_a_container_that_waits_for_what_will_not_come_is_hopeless(reason):
    """Kubernetes tries for ever; a request has a minute."""
    assert f"app: {reason}" == diagnose(deployment(), [pod(waiting=reason)], NOW)


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", None])
def test_a_container_that_is_being_made_is_not(reason):
    """A slow pull is no failure."""
    assert diagnose(deployment(), [pod(waiting=reason)], NOW) is None


def test_what_a_crash_left_behind_is_said():
    """The exit code is what its owner looks for first."""
    crashed = {"metadata": {"name": "a"}, "status": {"containerStatuses": [CRASHED]}}
    expected = "app: CrashLoopBackOff: exit code 3 back-off 10s"
    assert expected == diagnose(None, [crashed], NOW)


def test_an_init_container_counts_as_well():
    """The others do not even begin before it."""
    stuck = {"name": "set-up", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    item = {"metadata": {"name": "a"}, "status": {"initContainerStatuses": [stuck]}}
    assert "set-up: ErrImagePull: no" == diagnose(None, [item], NOW)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (unschedulable(LONG, message="0/3 nodes"), "Unschedulable: 0/3 nodes"),
        (unschedulable(LONG), "Unschedulable"),
        (unschedulable(SHORT), None),
        (unschedulable(LONG, reason="SchedulingGated"), None),
        (unschedulable(LONG, status="True"), None),
    ],
)
def test_a_pod_that_finds_no_node_gets_time_for_one_to_be_made(condition, expected):
    """Of an autoscaler of nodes, half a minute."""
    assert expected == diagnose(deployment(), [pod(conditions=[condition])], NOW)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (QUOTA, "FailedCreate: exceeded quota: pods"),
        ({"type": "ReplicaFailure", "status": "True"}, "ReplicaFailure"),
        ({**QUOTA, "status": "False"}, None),
        ({**QUOTA, "type": "Progressing"}, None),
    ],
)
def test_pods_that_cannot_be_made_are_told_by_the_workload(condition, expected):
    """With a quota that is used up there is no pod to look at."""
    assert expected == diagnose(deployment(conditions=[condition]), [], NOW)


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [{"metadata": {"name": "new"}}],
        [{"metadata": {"name": "new"}, "status": {"containerStatuses": None}}],
        [{"metadata": {"name": "new"}, "status": {"containerStatuses": [{"name": "app"}]}}],
        [pod(ready=True), BROKEN],
        [pod(waiting="CrashLoopBackOff", deletionTimestamp=LONG)],
    ],
    ids=["none", "without-status", "null", "without-state", "one-is-ready", "deleted"],
)
def test_while_there_is_hope_nothing_is_said(pods):
    """A wrong word here refuses requests that would have been served."""
    assert diagnose(deployment(), pods, NOW) is None


def test_one_ready_pod_outweighs_what_the_workload_says():
    """A quota stops the second replica; the first serves."""
    assert diagnose(deployment(conditions=[QUOTA]), [pod(ready=True)], NOW) is None


def test_a_ready_pod_that_is_going_away_gives_no_hope():
    """It is the last one of the run before."""
    going = pod("cart-0", ready=True, deletionTimestamp=LONG)
    assert "app: ImagePullBackOff" == diagnose(deployment(), [going, BROKEN], NOW)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([event()], NEWS),
        ([event(note=None)], "FailedCreate"),
        ([event("SuccessfulDelete")], None),
        ([event("SuccessfulCreate", at=SHORT), event(at=LONG)], None),
        ([event("SuccessfulCreate", at=LONG), event(at=SHORT)], NEWS),
        ([event(eventTime=SHORT)], NEWS),
        ([event(series={"lastObservedTime": SHORT}, eventTime="2020-01-01T00:00:00Z")], NEWS),
        ([event(eventTime=None)], None),
        ([event(at="2026-01-01T11:59:59Z")], None),
    ],
)
def test_where_no_pod_is_made_the_newest_event_says_why(events, expected):
    """A StatefulSet that a quota leaves no room for tells it in no other way."""
    since = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert expected == refused(events, since)


def test_where_nobody_remembers_who_scaled_the_last_word_counts_however_old():
    """Whoever makes the pods tries again later and later, and may not have for a while."""
    assert refused([event(at="2020-01-01T00:00:00Z")], None) == NEWS
