import asyncio
from typing import Any

import pytest

from kube.client import Kube
from kube.informer import Informer, without_managed_fields
from kube.resource import PODS, Key, Object, Selection
from kube.store import Change
from kube.watch import Pace
from tests.kube.fake_api import FakeAnswer, status

pytestmark = pytest.mark.looptime

A, B = Key("shop", "a"), Key("shop", "b")


def pod(name, **labels):
    return {"metadata": {"namespace": "shop", "name": name, "labels": labels, "managedFields": []}}


class Listening:
    """An informer that runs, and the keys it told of."""

    def __init__(self, kube: Kube, **options: Any) -> None:
        self.changes = list[Change]()
        self.informer = Informer(kube, Selection(PODS, "shop"), **options)
        self.informer.subscribe(self.changes.append)
        self.task = asyncio.create_task(self.informer.run())

    def kept(self, key: Key) -> Object:
        """Return an object that is there."""
        item = self.informer.store.get(key)
        assert item
        return item

    @property
    def keys(self):
        """Whom to look at again."""
        return [change.key for change in self.changes]


@pytest.fixture
async def listening(api):
    """Pods by their app, on a server that has one."""
    api.put(PODS, pod("a", app="cart"))

    def by_app(item):
        return [item["metadata"]["labels"]["app"]]

    listening = Listening(api.kube, indexes={"app": by_app})
    yield listening
    listening.task.cancel()
    await asyncio.wait([listening.task])


async def test_it_is_synced_once_its_listeners_know_the_first_list(api):
    """Before that nothing may be concluded from what is not there."""
    api.put(PODS, pod("a"))
    listening = Listening(api.kube)
    assert not listening.informer.synced.is_set()
    await listening.informer.synced.wait()
    assert [A] == listening.keys
    assert {A} == set(listening.informer.store.snapshot())
    assert "<Informer /api/v1/namespaces/shop/pods 1 objects, synced>" == repr(listening.informer)
    listening.task.cancel()


async def test_an_empty_list_is_a_synced_one(api):
    """A cluster without a single hold is a cluster like any other."""
    empty = Listening(api.kube)
    await empty.informer.synced.wait()
    assert [] == empty.changes
    empty.task.cancel()


async def test_each_change_is_in_the_store_before_it_is_told(api, listening):
    """The listener looks into the store, and must find there what it was called for."""
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    seen = []
    store = listening.informer.store
    listening.informer.subscribe(lambda change: seen.append(store.get(change.key)))
    item = api.put(PODS, pod("b", app="till"))
    await asyncio.sleep(0.1)
    api.remove(PODS, item)
    await asyncio.sleep(0.1)
    assert ["b", None] == [item and item["metadata"]["name"] for item in seen]


async def test_a_change_tells_what_was_there_before(api, listening):
    """Whoever a pod belonged to has to look as well as whoever it belongs to now."""
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    api.put(PODS, pod("a", app="till"))
    await asyncio.sleep(0.1)
    key, old, new = listening.changes[-1]
    assert (A, "cart", "till") == (
        key,
        old["metadata"]["labels"]["app"],
        new["metadata"]["labels"]["app"],
    )
    assert {A} == listening.informer.store.keys_by("app", "till")


async def test_what_was_missed_is_told_after_listing_again(api, listening):
    """And what was not missed is not."""
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    item = api.put(PODS, pod("b", app="cart"))
    await asyncio.sleep(0.1)
    api.cut()
    api.put(PODS, pod("c", app="cart"))
    api.remove(PODS, item)
    api.next_is("watch", FakeAnswer(410, status(410, "Expired")))
    await asyncio.sleep(5)
    assert [A, B, B, Key("shop", "c")] == listening.keys
    assert {A, Key("shop", "c")} == set(listening.informer.store.snapshot())


async def test_bookmarks_are_nobody_s_business(api, listening):
    """They come every minute, to each informer."""
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    api.watches[0].say("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    await asyncio.sleep(0.1)
    assert [A] == listening.keys


async def test_a_failure_is_told_once_and_so_is_its_end(api, listening, caplog):
    """An outage of an hour is two lines in the log, not hundreds."""
    caplog.set_level("INFO", "kube")
    await listening.informer.synced.wait()
    api.down = True
    api.cut()
    await asyncio.sleep(60)
    assert listening.informer.failure
    assert "failing: Unreachable: cut" in repr(listening.informer)
    api.down = False
    await asyncio.sleep(20)
    assert listening.informer.failure is None
    lines = [record.message for record in caplog.records]
    path = "/api/v1/namespaces/shop/pods"
    assert [f"{path}: Unreachable: cut", f"{path}: heard from again"] == lines
    assert {A} == set(listening.informer.store.snapshot()), "what was known is still known"


async def test_a_listener_that_fails_keeps_nothing_from_the_others(api, caplog):
    """The store has to be right for all, and the next key may be fine."""
    informer = Informer(api.kube, Selection(PODS))
    told = list[Change]()

    def fail(change):
        raise ValueError(change.key)

    informer.subscribe(fail)
    informer.subscribe(told.append)
    api.put(PODS, pod("a"))
    api.put(PODS, pod("b"))
    task = asyncio.create_task(informer.run())
    await informer.synced.wait()
    assert [A, B] == [change.key for change in told]
    assert "a listener to pods failed" in caplog.text
    task.cancel()


async def test_objects_are_trimmed_before_they_are_kept(api):
    """Half of an object is often who manages which of its fields."""
    api.put(PODS, pod("a", app="cart"))
    plain = Listening(api.kube)
    await plain.informer.synced.wait()
    assert {"namespace", "name", "labels", "resourceVersion"} == set(plain.kept(A)["metadata"])
    bare = Listening(api.kube, trim=lambda item: {"metadata": item["metadata"]})
    await bare.informer.synced.wait()
    assert {"metadata"} == set(bare.kept(A))
    for listening in (plain, bare):
        listening.task.cancel()


async def test_an_object_that_cannot_be_trimmed_is_kept_whole(api, caplog):
    """Memory is worth less than knowing about it."""
    api.put(PODS, pod("a"))
    listening = Listening(api.kube, trim=lambda item: item["spec"])
    await listening.informer.synced.wait()
    assert "a" == listening.kept(A)["metadata"]["name"]
    assert "cannot be trimmed" in caplog.text
    listening.task.cancel()


async def test_how_long_things_may_take_is_the_owner_s_choice(api):
    """Being late costs a parked request more than a status."""
    listening = Listening(api.kube, pace=Pace(watch_seconds=20, silence_seconds=15))
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    assert 15 == api.watches[0].request.silence_seconds
    assert int(api.watches[0].request.query["timeoutSeconds"]) <= 24
    listening.task.cancel()


async def test_stopping_ends_the_watch(api, listening):
    """Cancelling is all it takes."""
    await listening.informer.synced.wait()
    await asyncio.sleep(0.1)
    listening.task.cancel()
    await asyncio.wait([listening.task])
    assert api.watches[0].closed


def test_managed_fields_are_left_out_of_a_copy():
    """The object may be somebody else's as well."""
    item = {"metadata": {"name": "a", "managedFields": [1]}, "spec": {}}
    assert {"metadata": {"name": "a"}, "spec": {}} == without_managed_fields(item)
    assert [1] == item["metadata"]["managedFields"]
