"""The way out of a cluster, whose controller does its part or does not."""

import asyncio

import pytest
from click.testing import CliRunner

from cli.leaving import LOOK_SECONDS, SETTLE_SECONDS, Leaving
from cli.main import main
from cli.workloads import Workloads
from crds.v1alpha1 import TrafficHold
from kube.errors import ForbiddenError, KubeError, refused
from kube.resource import DEPLOYMENTS, ENVOY_FILTERS, HOLD_POLICIES, TRAFFIC_HOLDS, Key
from tests.controller import objects
from tests.controller.cluster import Cluster
from tests.controller.objects import deployment, endpoints
from tests.kube.fake_api import status as refusal

GATE = Key("istio-system", "layby")
POLICY = objects.policy()


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def said():
    """What a person was told."""
    return []


@pytest.fixture
def leaving(cluster, said):
    return Leaving(cluster.kube, said.append)


def hold(name, **spec):
    """A TrafficHold whose target has its name."""
    return objects.hold(name, target=name, spec=spec)


def replicas(cluster, name):
    return cluster.find(DEPLOYMENTS, name)["spec"]["replicas"]


def phase(item, value):
    return {**item, "status": {"phase": value}}


async def test_only_what_sleeps_is_woken(cluster, leaving, said):
    """A workload that is up may have been scaled by hand; a dry run is none of Layby's."""
    cluster.have(
        *(deployment("cart", replicas=0), deployment("web", replicas=3)),
        *(deployment("dry", replicas=0), hold("cart"), hold("web"), hold("dry", dryRun=True)),
    )
    assert 0 == await leaving.wake()
    assert [1, 3, 0] == [replicas(cluster, name) for name in ("cart", "web", "dry")]
    assert [
        "shop/cart: Deployment cart: 0 -> 1 replicas",
        "shop/web: Deployment web has 3 replicas already",
    ] == sorted(said)


async def test_one_that_cannot_be_woken_keeps_no_other_from_it(cluster, leaving, said):
    """One broken TrafficHold among a hundred is no reason to leave the rest asleep."""
    cluster.have(hold("gone"), deployment("cart", replicas=0), hold("cart"))
    assert 1 == await leaving.wake()
    assert 1 == replicas(cluster, "cart")
    assert any(line.startswith("shop/gone: NotFound") for line in said)


@pytest.mark.looptime
async def test_other_namespaces_are_left_alone(cluster, said):
    """And what is of the whole cluster: no role of namespaces allows it, and nobody serves it."""
    cluster.have(deployment("cart", replicas=0), hold("cart"), phase(hold("web"), "Zero"), POLICY)
    others = Leaving(cluster.kube, said.append, {"till", "web"})
    assert 0 == await others.wake()
    assert [] == await others.wait(5)
    assert [] == await others.delete(5)
    assert 0 == replicas(cluster, "cart")
    assert cluster.find(TRAFFIC_HOLDS, "cart")
    assert cluster.find(HOLD_POLICIES, "all", "")
    assert {True} == {"/namespaces/" in request.path for request in cluster.asked}
    own = Leaving(cluster.kube, said.append, {"shop", "till"})
    assert 1 == await own.wake(), "there is no target for one of them"
    assert 1 == replicas(cluster, "cart")
    assert [] == await own.delete(5)
    assert [] == cluster.names(TRAFFIC_HOLDS)


@pytest.mark.looptime
@pytest.mark.parametrize("verb", ["list", "delete"])
async def test_a_namespace_that_is_forbidden_or_gone_keeps_no_other_from_it(cluster, said, verb):
    """A namespace that is deleted takes the Role with it."""
    cluster.have(deployment("cart", replicas=0), hold("cart"))
    lost = {**hold("web")["metadata"], "namespace": "gone"}
    cluster.have({**hold("web"), "metadata": lost})
    real = cluster.send

    async def send(request):
        if request.verb == verb and "/namespaces/gone/" in request.path:
            raise refused(refusal(403, "Forbidden", "no Role"))
        return await real(request)

    cluster.send = send
    leaving = Leaving(cluster.kube, said.append, {"gone", "shop"})
    await leaving.wake()
    assert 1 == replicas(cluster, "cart")
    await leaving.wait(5)
    assert [] == await leaving.delete(5)
    assert cluster.find(TRAFFIC_HOLDS, "cart") is None
    assert {"gone"} == leaving.passed_over
    [line] = [each for each in said if "passed over" in each]
    assert line.startswith("gone: passed over: no Role: if it is gone, take it out")
    with pytest.raises(ForbiddenError):
        await Leaving(Forbidden().kube, said.append).wake()


class Forbidden(Cluster):
    """A cluster where nothing may be listed."""

    async def send(self, request):
        """Refuse."""
        raise refused(refusal(403, "Forbidden", str(request.path)))


async def test_a_cluster_without_the_definitions_is_left_already(leaving):
    """It may be the second time."""
    assert 0 == await leaving.wake()


@pytest.mark.looptime
async def test_it_waits_until_all_are_up(cluster, leaving):
    """Until then requests need the hold."""
    cluster.have(phase(hold("cart"), "Waking"), phase(hold("web"), "Warm"))
    waiting = asyncio.create_task(leaving.wait(60))
    await asyncio.sleep(10)
    assert not waiting.done()
    cluster.have(phase(hold("cart"), "Warm"))
    assert [] == await waiting
    assert asyncio.get_running_loop().time() < 10 + 2 * LOOK_SECONDS + SETTLE_SECONDS


@pytest.mark.looptime
async def test_without_a_controller_the_services_say_what_is_up(cluster, leaving):
    """Nobody writes a status then, and hold servers that go too early leave requests a 503."""
    listed = {"services": [{"name": "cart"}, {"name": "basket"}]}
    idle = endpoints("basket", ready=0, waiting=1)
    cluster.have(deployment("cart", replicas=0), hold("cart", **listed), idle)
    # A hold server holds nothing of this one: it says no Services.
    cluster.have(deployment("web", replicas=0), hold("web"))
    assert 0 == await leaving.wake()
    assert 1 == replicas(cluster, "cart")
    waiting = asyncio.create_task(leaving.wait(60))
    await asyncio.sleep(10)
    assert not waiting.done()
    cluster.have(endpoints("basket", ready=1))
    assert [] == await waiting
    assert [] == await leaving.delete(5)
    assert [] == cluster.names(TRAFFIC_HOLDS)


@pytest.mark.looptime
async def test_what_no_controller_sees_come_up_is_named(cluster, leaving):
    """A person decides whether to leave it so."""
    cluster.have(deployment("cart"), hold("cart", services=[{"name": "cart"}]))
    assert ["shop/cart: the controller has not looked at it; is it running?"] == await leaving.wait(
        5
    )


@pytest.mark.looptime
async def test_what_is_not_up_in_time_is_named_with_what_the_controller_says(cluster, leaving):
    """A person decides whether to leave it so."""
    conditions = [{"type": "Ready", "status": "False", "reason": "R", "message": "no image"}]
    cart = {**hold("cart"), "status": {"phase": "Waking", "conditions": conditions}}
    cluster.have(cart, phase(hold("web"), "Zero"))
    assert [
        "shop/cart: no image",
        "shop/web: the controller has not looked at it; is it running?",
    ] == await leaving.wait(5)


@pytest.mark.looptime
async def test_policies_go_before_what_they_make_and_the_gate_goes_last(cluster, leaving, said):
    """A policy would make its TrafficHolds again, and the controller puts the gate back for one."""
    filters = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "layby", "namespace": "istio-system", "uid": "2"},
        "spec": {},
    }
    metadata = {"name": "layby-log", "namespace": "istio-system", "uid": "3"}
    log = {**filters, "metadata": metadata}
    cluster.have(POLICY, hold("cart"), hold("web"), filters, log)
    assert [] == await leaving.delete(5)
    paths = [each.path for each in cluster.asked if each.verb == "delete"]
    assert HOLD_POLICIES.path_of(Key("", "all")) == paths[0]
    assert ENVOY_FILTERS.path_of(GATE) not in paths
    await leaving.detach(GATE)
    assert not [path for path in cluster.objects if "layby" in path]
    assert ["2 TrafficHolds deleted"] == said
    await leaving.detach(GATE)  # and once more


@pytest.mark.looptime
async def test_what_the_controller_does_not_let_go_is_named(cluster, leaving):
    """Without it, what sleeps would go on sleeping."""
    item = hold("cart")
    item["metadata"]["finalizers"] = ["layby.dev/wake"]
    cluster.have(item)
    (left,) = await leaving.delete(5)
    assert left.startswith("shop/cart: the controller has not looked at it")
    assert cluster.find(TRAFFIC_HOLDS, "cart")


async def test_a_workload_is_put_to_sleep_and_a_kind_without_scale_is_not(cluster):
    cluster.have(deployment("cart", replicas=2))
    workloads = Workloads(cluster.kube)
    parsed = TrafficHold.parse(hold("cart"))
    assert "Deployment cart: 2 -> 0 replicas" == await workloads.sleep(parsed)
    strange = hold("cart", targetRef={"apiVersion": "a.org/v1", "kind": "Pit", "name": "p"})
    with pytest.raises(KubeError, match=r"a\.org/v1 Pit cannot be scaled in this cluster"):
        await workloads.wake(TrafficHold.parse(strange))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("wake",), "give the name of a TrafficHold, or --all"),
        (("wake", "cart", "--all"), "give the name of a TrafficHold, or --all"),
        (("wake", "cart", "-A"), "--all-namespaces goes with --all"),
        (("leave",), "Delete all HoldPolicies and TrafficHolds of this cluster? [y/N]"),
        (
            ("leave", "--watch-namespaces", "till,shop"),
            "Delete all TrafficHolds in shop, till? [y/N]",
        ),
        (("leave", "--watch-namespaces", "Shop"), "'Shop' is not the name of a namespace"),
    ],
)
def test_nothing_is_done_to_a_cluster_by_half_a_command(arguments, said):
    """What it means is asked before any cluster is."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code
    assert said in result.output
