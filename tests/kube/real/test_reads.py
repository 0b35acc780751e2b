"""Informers on a real API server, over a line that fails in every way."""

import asyncio
import json
import time
import urllib.request

import pytest

from kube.errors import GoneError
from kube.informer import Informer
from kube.resource import CONFIG_MAPS, Key, Selection
from kube.store import Change
from kube.watch import Pace, watch

pytestmark = pytest.mark.kube

QUICK = Pace(
    watch_seconds=60, silence_seconds=30, first_retry_seconds=0.05, longest_retry_seconds=0.5
)


@pytest.fixture
def informer(far, shop):
    """An informer at the far end of the line."""
    return Informer(
        far,
        Selection(CONFIG_MAPS, shop),
        pace=QUICK,
        indexes={"text": lambda item: [item["data"]["text"]]},
    )


async def seen(informer, key, text):
    """Wait until the informer has an object with some text; `None` for no object."""
    async with asyncio.timeout(20):
        while True:
            item = informer.store.get(key)
            if (item and item["data"]["text"]) == text:
                return
            await asyncio.sleep(0.01)


async def test_what_is_written_is_seen(informer, kube, note, run):
    """In milliseconds, with its index, and until it is deleted."""
    run(informer.run())
    await informer.synced.wait()
    key = await note("a", "one")
    await seen(informer, key, "one")
    await note("a", "two")
    await seen(informer, key, "two")
    assert {key} == informer.store.keys_by("text", "two")
    assert frozenset() == informer.store.keys_by("text", "one")
    await kube.delete(CONFIG_MAPS, key)
    await seen(informer, key, None)
    assert {"list": 1, "watch": 1} == informer._kube.requests


async def test_selectors_restrict_what_is_seen(kube, note, shop, run):
    """An object that no longer matches is gone, as far as the informer goes."""
    key = await note("a")
    label = {"metadata": {"labels": {"layby": "yes"}}}
    await kube.patch_merge(CONFIG_MAPS, key, label)
    await note("b")
    informer = Informer(kube, Selection(CONFIG_MAPS, shop, labels="layby=yes"))
    run(informer.run())
    await informer.synced.wait()
    assert {key} == set(informer.store.snapshot())
    await kube.patch_merge(CONFIG_MAPS, key, {"metadata": {"labels": {"layby": None}}})
    await seen(informer, key, None)


async def test_a_watch_that_is_cut_loses_nothing(informer, note, proxy, run, far):
    """What was written meanwhile comes with the next watch, without listing again."""
    run(informer.run())
    await informer.synced.wait()
    await note("a", "0")
    for number in range(1, 6):
        proxy.cut()
        key = await note("a", str(number))
        await seen(informer, key, str(number))
    assert 1 == far.requests["list"]
    # A cut may come before there is a watch to cut.
    assert 3 <= far.requests["watch"]
    assert informer.failure is None


@pytest.mark.parametrize("count", [1, 200, 900])
async def test_a_watch_that_is_cut_within_an_event_loses_nothing(informer, note, proxy, run, count):
    """Within a record of TLS, even: half an event is none."""
    run(informer.run())
    await informer.synced.wait()
    await asyncio.sleep(0.1)
    proxy.cut_within(count)
    key = await note("a", "x" * 2000)
    await note("b", "after")
    await seen(informer, key, "x" * 2000)
    await seen(informer, Key(key.namespace, "b"), "after")


async def test_a_line_that_goes_dead_is_noticed(far, shop, note, proxy, run):
    """Nothing closes it; only the silence tells."""
    pace = Pace(watch_seconds=60, silence_seconds=0.5, first_retry_seconds=0.05)
    informer = Informer(far, Selection(CONFIG_MAPS, shop), pace=pace)
    run(informer.run())
    await informer.synced.wait()
    await asyncio.sleep(0.1)
    proxy.freeze()
    key = await note("a", "meanwhile")
    await asyncio.sleep(0.8)
    assert informer.store.get(key) is None
    assert 2 == far.requests["watch"]
    # What waited in the frozen connections is gone with them.
    proxy.cut()
    proxy.thaw()
    await seen(informer, key, "meanwhile")


async def test_a_watch_that_the_server_ends_is_gone_on_with(kube, shop, note, run):
    """It does so after the time that we ask for."""
    informer = Informer(kube, Selection(CONFIG_MAPS, shop), pace=Pace(watch_seconds=1))
    run(informer.run())
    await informer.synced.wait()
    lists = kube.requests["list"]
    async with asyncio.timeout(20):
        while kube.requests["watch"] < 3:
            await asyncio.sleep(0.05)
    await seen(informer, await note("a", "late"), "late")
    assert lists == kube.requests["list"]
    assert informer.failure is None


async def test_an_api_server_that_is_restarted_is_found_again(informer, plane, note, run):
    """An upgrade of the control plane is a few seconds without news, no more."""
    run(informer.run())
    key = await note("a", "before")
    await seen(informer, key, "before")
    await asyncio.to_thread(plane.apiserver.restart)
    await note("a", "after")
    await seen(informer, key, "after")


async def test_what_a_restarted_server_does_not_remember_is_listed_again(
    informer, plane, proxy, note, kube, run, far
):
    """It begins with the present, and says 410 of what lies before."""
    changes = list[Change]()
    informer.subscribe(changes.append)
    run(informer.run())
    key, gone = await note("a", "before"), await note("b", "before")
    await seen(informer, gone, "before")
    # The line is dead until the server is back, so that what happens here is not seen.
    proxy.freeze()
    proxy.cut()
    await kube.delete(CONFIG_MAPS, gone)
    for number in range(5):
        await note("a", str(number))
    await asyncio.to_thread(plane.apiserver.restart)
    proxy.thaw()
    await seen(informer, key, "4")
    await seen(informer, gone, None)
    # Once more, if the server was not quite up the first time.
    assert far.requests["list"] in {2, 3}
    assert {key: 2, gone: 2} == {
        key: sum(change.key == key for change in changes) for key in (key, gone)
    }


async def test_a_version_of_long_ago_is_refused(kube, shop):
    """And told from other refusals, for it is answered in another way."""
    with pytest.raises(GoneError) as caught:
        async for _ in watch(kube, Selection(CONFIG_MAPS, shop), "1", QUICK):
            pass
    assert (410, "Expired") == (caught.value.status, caught.value.reason)


async def test_pages_that_are_compacted_away_are_replaced(kube, shop, note, plane):
    """Etcd forgets old versions every five minutes; a slow reader may still be at them."""
    for name in "abcde":
        await note(name)
    selection = Selection(CONFIG_MAPS, shop)
    first = await kube.page(selection, 2)
    assert first.next
    await note("f")
    newest = (await kube.page(selection)).version
    await asyncio.to_thread(compact, newest)
    await asyncio.to_thread(plane.apiserver.restart)
    with pytest.raises(GoneError):
        await kube.page(selection, 2, first.next)
    informer = Informer(kube, selection, pace=Pace(page_size=2))
    task = asyncio.create_task(informer.run())
    await informer.synced.wait()
    assert 6 == len(informer.store)
    task.cancel()


async def test_a_frozen_api_server_is_waited_for(kube, shop, note, plane, run):
    """Its kernel answers for it: nothing but the silence tells."""
    pace = Pace(silence_seconds=0.5, first_retry_seconds=0.05, longest_retry_seconds=0.2)
    informer = Informer(kube, Selection(CONFIG_MAPS, shop), pace=pace)
    run(informer.run())
    key = await note("a", "before")
    await seen(informer, key, "before")
    plane.apiserver.freeze()
    try:
        await asyncio.sleep(1.0)
        assert 2 == kube.requests["watch"]
    finally:
        plane.apiserver.thaw()
    await note("a", "after")
    await seen(informer, key, "after")


async def test_two_thousand_objects_are_listed_and_followed(kube, shop, run):
    """As many as the controller promises to do with; pages, so that nothing waits for long."""
    slots = asyncio.Semaphore(8)

    async def write(number, text):
        async with slots:
            body = {"metadata": {"namespace": shop, "name": f"n{number}"}, "data": {"text": text}}
            await kube.apply(CONFIG_MAPS, body)

    await asyncio.gather(*(write(number, "one") for number in range(2000)))
    informer = Informer(kube, Selection(CONFIG_MAPS, shop))
    begun = time.perf_counter()
    run(informer.run())
    await informer.synced.wait()
    assert 2000 == len(informer.store)
    assert time.perf_counter() - begun < 5
    assert 4 == kube.requests["list"]
    await asyncio.gather(*(write(number, "two") for number in range(200)))
    for number in range(200):
        await seen(informer, Key(shop, f"n{number}"), "two")


def compact(version):
    """Have etcd forget what was before a version."""
    request = urllib.request.Request(
        "http://127.0.0.1:2379/v3/kv/compaction",
        json.dumps({"revision": version, "physical": True}).encode(),
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert 200 == answer.status
