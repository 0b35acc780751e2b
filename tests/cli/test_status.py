"""`layby status` and `layby sleep`, on a cluster in memory."""

import asyncio
import io

import click
import pytest
import yaml
from aiohttp import web
from rich.console import Console

from cli.scale import put_to_sleep
from cli.status import table, tables
from crds.v1alpha1 import TrafficHold
from kube.resource import DEPLOYMENTS, TRAFFIC_HOLDS, Selection
from tests.controller import objects
from tests.controller.cluster import Cluster
from tests.controller.objects import deployment
from tests.kube.fake_api import CUT

SHOP = Selection(TRAFFIC_HOLDS, "shop")
UNREADABLE = objects.hold("old", spec={"hold": {"timeout": "a while"}})


@pytest.fixture
def cluster():
    return Cluster()


def shown(made):
    """The text of a table."""
    text = io.StringIO()
    Console(file=text, width=160).print(made)
    return text.getvalue()


async def test_one_that_cannot_be_read_is_a_row_among_the_others(cluster):
    """It was valid once, and whoever lists all wants to see which one it is."""
    wake = {"at": "2026-01-02T03:04:05Z", "duration": "2s400ms", "outcome": "Succeeded"}
    status = {"phase": "Zero", "pending": 3, "lastWake": wake}
    item = {**objects.hold("cart"), "status": status}
    cluster.have(item, UNREADABLE)
    lines = shown(await table(cluster.kube, SHOP)).splitlines()
    (cart,) = [line for line in lines if "cart" in line]
    assert "Zero" in cart
    assert "Succeeded in 2.4 s, from 2026-01-02 03:04 UTC" in cart
    (old,) = [line for line in lines if "old" in line]
    assert "unreadable: spec.hold.timeout: " in old


@pytest.mark.looptime
async def test_who_watches_keeps_the_last_table_while_there_is_no_answer(cluster):
    """And is told why it stands still."""
    cluster.have(objects.hold("cart"))
    following = tables(cluster.kube, SHOP, await table(cluster.kube, SHOP))
    cluster.next_is("list", CUT)
    late = shown(await anext(following))
    assert "cart" in late
    assert "the API server does not answer" in late
    assert "does not answer" not in shown(await anext(following))


@pytest.mark.parametrize(
    ("where", "expected"),
    [(["-n", "shop"], "namespace shop"), (["-A"], "any namespace")],
)
async def test_a_name_that_is_not_there_is_no_empty_table(layby, tmp_path, where, expected):
    """A script would take it for a workload that is well."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert "metadata.name=nosuch" == request.query["fieldSelector"]
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    named = ("status", "nosuch", *where, "--kubeconfig", str(tmp_path / "config"))
    result = await asyncio.to_thread(layby, *named)
    await runner.cleanup()
    assert 1 == result.exit_code
    assert f"there is no TrafficHold nosuch in {expected}" in result.stderr


async def test_what_never_sleeps_is_not_put_to_sleep(cluster):
    """The controller would wake it at once, and requests wait meanwhile."""
    cluster.have(deployment(replicas=2))
    least = TrafficHold.parse(objects.hold(spec={"scaling": {"minReplicas": 1}}))
    with pytest.raises(click.ClickException, match="minReplicas is 1: set that to 0 first"):
        await put_to_sleep(cluster.kube, least)
    assert 2 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
    told = await put_to_sleep(cluster.kube, TrafficHold.parse(objects.hold()))
    assert "Deployment cart: 2 -> 0 replicas" == told
    assert 0 == cluster.find(DEPLOYMENTS, "cart")["spec"]["replicas"]
