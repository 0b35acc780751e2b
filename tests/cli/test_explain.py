"""What `layby explain` says, of a cluster in memory."""

from datetime import UTC, datetime

from cli.explain import _chain, rehearsed
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
