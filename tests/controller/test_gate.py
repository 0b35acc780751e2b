import asyncio

import pytest

from controller.attach import Found, Proxy
from controller.gate import KEEP_SECONDS, GateKeeper, gate_objects
from controller.informers import Informers
from controller.istiod import IstiodError
from controller.rule import Mesh
from crds.condition import Attached
from istio.mesh import MeshGate
from kube.resource import ENVOY_FILTERS
from tests.controller.cluster import Cluster
from tests.controller.objects import hold

pytestmark = pytest.mark.looptime

GW = Proxy("gw.shop", "router", "1.31.0", "1", "1")
SIDE = Proxy("side.shop", "sidecar", "1.31.0", "1", "1")


class FakeProxies:
    """The proxies of a mesh, as the test says."""

    def __init__(self) -> None:
        self.found: dict[Proxy, Found] | Exception = {GW: Found.GATE}
        self.looks = 0

    async def look(self) -> dict[Proxy, Found]:
        """Return what they have."""
        self.looks += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Keeping:
    """A gate keeper on a cluster, and how often it told of a change."""

    def __init__(self, cluster: Cluster, proxies: FakeProxies | None, **options) -> None:
        self.cluster = cluster
        self.informers = Informers(cluster.kube, Mesh())
        self.changes = 0
        wanted = gate_objects(MeshGate(**options))
        self.keeper = GateKeeper(cluster.kube, self.informers, wanted, proxies, self._changed)
        self.tasks = [asyncio.create_task(self.informers.run())]

    def _changed(self) -> None:
        self.changes += 1

    async def synced(self) -> None:
        """Wait until what it looks at is known."""
        await self.informers.holds.synced.wait()
        await self.informers.gates.synced.wait()

    @property
    def reason(self) -> Attached:
        """What the verdict is."""
        return self.keeper.verdict.reason

    def run(self) -> None:
        """Look again and again."""
        self.tasks.append(asyncio.create_task(self.keeper.run()))

    async def end(self) -> None:
        """End it."""
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


@pytest.fixture
def proxies():
    return FakeProxies()


@pytest.fixture
async def keeping(cluster, proxies):
    """A gate keeper in a cluster with a TrafficHold."""
    cluster.have(hold())
    keeping = Keeping(cluster, proxies)
    await keeping.synced()
    yield keeping
    await keeping.end()


async def test_the_gate_is_applied_once_there_is_a_traffic_hold(keeping, cluster):
    """And then never again while it is as it should be."""
    assert Attached.PENDING == keeping.reason
    for _ in range(3):
        await keeping.keeper.reconcile()
        await asyncio.sleep(20)
    assert {"envoyfilters": 1} == cluster.writes
    assert keeping.keeper.verdict.message.endswith("is not looked up yet")
    assert (
        "layby"
        == cluster.find(ENVOY_FILTERS, "layby", "istio-system")["metadata"]["labels"][
            "layby.dev/managed-by"
        ]
    )


async def test_the_verdict_is_what_the_proxies_have(keeping, proxies):
    """That the object is there says nothing about them."""
    await keeping.keeper.reconcile()
    await keeping.keeper.look()
    assert Attached.ATTACHED == keeping.reason
    proxies.found = {GW: Found.GATE, SIDE: Found.NO_GATE}
    await keeping.keeper.look()
    assert Attached.PENDING == keeping.reason


async def test_a_verdict_is_told_when_it_is_another(keeping, proxies):
    """All TrafficHolds are looked at then; not for a proxy more or less."""
    await keeping.keeper.reconcile()
    before = keeping.changes
    for found in ({GW: Found.GATE}, {GW: Found.GATE, SIDE: Found.GATE}, {SIDE: Found.NO_GATE}):
        proxies.found = found
        await keeping.keeper.look()
    assert before + 2 == keeping.changes


async def test_an_istiod_that_restarts_changes_nothing(keeping, proxies):
    """What the proxies have they keep; only after minutes nobody can be sure any more."""
    await keeping.keeper.reconcile()
    await keeping.keeper.look()
    proxies.found = IstiodError("gone")
    await keeping.keeper.look()
    assert Attached.ATTACHED == keeping.reason
    await asyncio.sleep(KEEP_SECONDS + 1)
    await keeping.keeper.look()
    assert (Attached.UNVERIFIED, "gone") == keeping.keeper.verdict


async def test_an_istiod_that_refuses_is_told_at_once(keeping, proxies):
    """The condition is where the user finds what to set."""
    proxies.found = IstiodError("istiod answers 403")
    await keeping.keeper.reconcile()
    await keeping.keeper.look()
    assert Attached.UNVERIFIED == keeping.reason


async def test_an_istiod_that_is_not_understood_ends_nothing(keeping, proxies, caplog):
    """Some other version of it must not have the controller crash again and again."""
    proxies.found = KeyError("proxy")
    await keeping.keeper.reconcile()
    await keeping.keeper.look()
    assert (Attached.UNVERIFIED, "istiod's answer cannot be understood: KeyError('proxy')") == (
        keeping.keeper.verdict
    )
    assert ["istiod's answer cannot be understood"] == [
        each.message for each in caplog.records if each.name == "controller.gate" and each.exc_info
    ]


async def test_it_looks_again_soon_while_something_is_wrong_and_seldom_else(keeping, proxies):
    """Istiod tells nobody, and each look costs it something."""
    proxies.found = {GW: Found.NO_GATE}
    await keeping.keeper.reconcile()
    keeping.run()
    await asyncio.sleep(5)
    assert 2 < proxies.looks < 10
    proxies.found = {GW: Found.GATE}
    await asyncio.sleep(20)
    assert Attached.ATTACHED == keeping.reason
    before = proxies.looks
    await asyncio.sleep(600)
    assert 10 == proxies.looks - before


async def test_without_an_istiod_to_ask_nothing_is_claimed(cluster):
    """The EnvoyFilter is there, and that is all that is known."""
    cluster.have(hold())
    keeping = Keeping(cluster, None)
    await keeping.synced()
    await keeping.keeper.reconcile()
    await keeping.keeper.look()
    assert Attached.UNVERIFIED == keeping.reason
    assert keeping.keeper.verdict.message.endswith("no istiod to ask is set")
    await keeping.end()


async def test_only_some_proxies_may_be_meant(cluster, proxies):
    """Then those without it are none of our business."""
    cluster.have(hold())
    keeping = Keeping(cluster, proxies, gate_selector={"istio": "ingressgateway"})
    await keeping.synced()
    await keeping.keeper.reconcile()
    proxies.found = {GW: Found.GATE, SIDE: Found.NO_GATE}
    await keeping.keeper.look()
    assert Attached.ATTACHED == keeping.reason
    spec = cluster.find(ENVOY_FILTERS, "layby", "istio-system")["spec"]
    assert {"labels": {"istio": "ingressgateway"}} == spec["workloadSelector"]
    # Whether the selector means it is not known here.
    assert keeping.keeper.verdict.message.startswith("1 of 2 gateways and sidecars have the gate")
    await keeping.end()


async def test_the_demand_log_is_for_all_proxies_even_then(cluster, proxies):
    """It has an EnvoyFilter of its own, until the gate is for all again: two would count twice."""
    cluster.have(hold())
    for options, there in (
        ({"gate_selector": {"istio": "ingressgateway"}}, True),
        ({}, False),
        ({"gate_revision": "canary"}, True),
    ):
        keeping = Keeping(cluster, proxies, **options)
        await keeping.synced()
        await keeping.keeper.reconcile()
        await asyncio.sleep(1)
        assert there is ("layby-log" in cluster.names(ENVOY_FILTERS))
        writes = dict(cluster.writes)
        await keeping.keeper.reconcile()
        assert writes == cluster.writes
        await keeping.keeper.look()
        assert Attached.ATTACHED == keeping.reason
        await keeping.end()


async def test_it_is_pending_until_the_demand_log_is_there(cluster, proxies):
    """What is held and not counted would be put to sleep under its traffic."""
    cluster.have(hold())
    keeping = Keeping(cluster, proxies, gate_selector={"istio": "ingressgateway"})
    await keeping.synced()
    await keeping.keeper.reconcile()
    await asyncio.sleep(1)
    cluster.delete(cluster.find(ENVOY_FILTERS, "layby-log", "istio-system"))
    await asyncio.sleep(1)
    await keeping.keeper.look()
    assert Attached.PENDING == keeping.reason
    assert "istio-system/layby-log is not there yet" in keeping.keeper.verdict.message
    await keeping.end()


@pytest.mark.parametrize(("attach", "other"), [("gateways", SIDE), ("sidecars", GW)])
async def test_proxies_of_the_other_kind_are_not_waited_for(cluster, proxies, attach, other):
    """They shall have no gate, so that they lack none."""
    cluster.have(hold())
    keeping = Keeping(cluster, proxies, gate_attach=attach)
    await keeping.synced()
    await keeping.keeper.reconcile()
    (meant,) = {GW, SIDE} - {other}
    for found, reason in ((Found.GATE, Attached.ATTACHED), (Found.NO_GATE, Attached.PENDING)):
        proxies.found = {meant: found, other: Found.NO_GATE}
        await keeping.keeper.look()
        assert reason == keeping.reason
    await keeping.end()
