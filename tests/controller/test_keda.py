"""Whether there is KEDA, as discovery tells."""

import asyncio

import pytest

from controller.facts import Keda as Presence
from controller.keda import LOOK_SECONDS, Keda
from tests.controller.cluster import Cluster
from tests.controller.objects import definition, scaled_object

pytestmark = pytest.mark.looptime

A_LOOK = LOOK_SECONDS + 0.5


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
async def start(cluster):
    """Look for KEDA until the test ends."""
    tasks = []

    def do(**options):
        keda = Keda(cluster.kube, **options)
        tasks.append(asyncio.create_task(keda.run()))
        return keda

    yield do
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_while_the_api_server_does_not_tell_nothing_is_concluded(cluster, start, caplog):
    """Were KEDA taken to be absent, Layby would put to sleep what is KEDA's to put to sleep."""
    cluster.down = True
    keda = start()
    await asyncio.sleep(60)
    assert (Presence.UNSEEN, False) == (keda.presence_in("shop"), keda.looked.is_set())
    assert "cut" in keda.trouble_in("shop")
    assert 1 == caplog.text.count("cannot be told"), "once, not at each look"
    cluster.down = False
    await asyncio.sleep(A_LOOK)
    assert (Presence.ABSENT, True) == (keda.presence_in("shop"), keda.looked.is_set())
    assert "" == keda.trouble_in("shop")
    cluster.have(definition(), scaled_object())
    await asyncio.sleep(A_LOOK)
    cluster.down = True
    await asyncio.sleep(60)
    assert Presence.THERE is keda.presence_in("shop")
    assert 1 == len(keda.scaled_objects.store)


async def test_what_is_in_other_namespaces_is_not_listed(cluster, start):
    """No role allows it."""
    theirs = scaled_object("theirs", namespace="other")
    cluster.have(definition(), scaled_object(), theirs)
    keda = start(namespaces={"shop"})
    await keda.settled()
    assert ["shop"] == [key.namespace for key in keda.scaled_objects.store.snapshot()]
    paths = {request.path for request in cluster.asked}
    assert {
        "/apis/keda.sh/v1alpha1",
        "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects",
    } == paths


async def test_told_to_leave_it_alone_it_asks_for_nothing(cluster, start):
    keda = start(enabled=False)
    await keda.settled()
    await asyncio.sleep(60)
    assert Presence.OFF is keda.presence_in("shop")
    assert [] == cluster.asked
