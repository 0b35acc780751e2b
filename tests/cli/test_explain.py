"""What `layby explain` says, of a cluster in memory."""

from datetime import UTC, datetime

import pytest

from cli.explain import _chain, follow, rehearsed
from crds.condition import Attached, Ready, judge
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.dry_run import DryRun
from tests.controller.cluster import Cluster
from tests.controller.objects import deployment, hold

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_dry_run_says_what_would_have_been():
    """It is why anybody sets spec.dryRun: to read this, and decide."""
    told = DryRun(since=SINCE, asleep=True, sleeps=3, requests=1, saved=9000.0)
    expected = (
        "dry run since 2026-01-02 03:04 UTC: would be asleep now; would have slept 3 times, "
        "1 request would have waited, 2.5 replica-hours would have been saved"
    )
    assert expected == rehearsed(told)
    assert "would be up now" in rehearsed(told.model_copy(update={"asleep": False}))


def test_a_dry_run_that_has_only_begun_says_so():
    """Zeros would look like a finding."""
    assert "dry run: nothing is known yet" == rehearsed(None)


async def test_what_no_controller_has_looked_at_may_be_in_a_namespace_that_none_watches():
    """Nobody but the one who has installed it knows which namespaces those are."""
    cluster = Cluster()
    cluster.have(deployment(), hold())
    *found, broken = [link async for link in _chain(cluster.kube, TrafficHold.parse(hold()))][:2]
    assert all(link.holds for link in found)
    assert (False, "no controller has looked at it") == broken[:2]
    assert "watchNamespaces, whether shop is among them" in broken.advice


def said(*reasons) -> dict[str, object]:
    """A status with the conditions of some reasons."""
    told = [judge(each, "so it is", now=SINCE) for each in reasons]
    return {"conditions": [each.model_dump(mode="json", by_alias=True) for each in told]}


@pytest.mark.parametrize(
    ("reason", "line", "whole"),
    [
        (Attached.ATTACHED, "ok  Attached: Attached: so it is\n", True),
        (Attached.UNVERIFIED, "?   Attached: Unverified: so it is\n    this is no fault", True),
        (Attached.NO_REPORTS, "?   Attached: NoReports: so it is\n    this is no fault", True),
        # It is what was asked for.
        (Attached.DRY_RUN, "ok  Attached: DryRun: so it is\n", True),
        (Attached.PENDING, "NO  Attached: Pending: so it is\n    the message says", False),
    ],
)
async def test_what_cannot_be_told_is_neither_well_nor_a_fault(reason, line, whole, capsys):
    """Who reads `ok` looks elsewhere for what keeps the workload up."""
    cluster = Cluster()
    item = {**hold(), "status": said(reason, Ready.READY)}
    cluster.have(deployment(), item)
    assert whole is await follow(cluster.kube, TrafficHold.parse(item))
    shown = capsys.readouterr().out
    assert line in shown
    assert whole == ("ok  Ready: Ready" in shown), "the chain goes on"


async def test_the_last_wake_is_told_with_its_beginning_and_its_reason(capsys):
    """Who reads it in the morning wants to find the same minute in the logs."""
    cluster = Cluster()
    wake = {
        "at": "2026-01-02T03:04:05Z",
        "duration": "9s",
        "outcome": "Failed",
        "reason": "no image",
    }
    item = {**hold(), "status": {**said(Ready.READY), "lastWake": wake}}
    cluster.have(deployment(), item)
    assert await follow(cluster.kube, TrafficHold.parse(item))
    expected = "ok  last wake: Failed in 9.0 s, from 2026-01-02 03:04 UTC: no image\n"
    assert expected in capsys.readouterr().out
