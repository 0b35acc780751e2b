"""One informer over several namespaces: a watch for each of them, and one store."""

import asyncio

import pytest

from kube.informer import REFUSED_SECONDS, Informer
from kube.resource import NAMESPACES, PODS, Key, Selection
from kube.store import Store
from tests.kube.fake_api import FakeAnswer, status

pytestmark = pytest.mark.looptime

SHOP, TILL = Key("shop", "a"), Key("till", "a")


def pod(namespace, name="a", version="1"):
    metadata = {"namespace": namespace, "name": name, "resourceVersion": version, "uid": name}
    return {"metadata": metadata}


@pytest.fixture
async def start():
    """Run informers until the test ends; each with the keys that it has told of."""
    tasks = []

    def do(kube, selections, **options):
        informer, told = Informer(kube, *selections, **options), []
        informer.subscribe(lambda change: told.append(change.key))
        tasks.append(asyncio.create_task(informer.run()))
        return informer, told

    yield do
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def within(*namespaces):
    return Selection(PODS, labels="app").within(namespaces)


def test_a_selection_is_one_of_each_namespace_or_of_all():
    """What belongs to the whole cluster is in none: no role of a namespace could allow it."""
    everywhere = Selection(PODS, labels="app")
    assert (everywhere,) == within()
    shop, till = within("till", "shop")
    assert ("shop", "till") == (shop.namespace, till.namespace)
    assert {"labelSelector": "app"} == till.query
    assert () == Selection(NAMESPACES).within({"shop"})
    assert (Selection(NAMESPACES),) == Selection(NAMESPACES).within(())


async def test_each_namespace_is_watched_and_no_other(api, start):
    """Nothing is asked for that a role in these namespaces would not allow."""
    for namespace in ("shop", "till", "other"):
        api.put(PODS, pod(namespace))
    informer, told = start(api.kube, within("shop", "till"))
    await informer.synced.wait()
    await asyncio.sleep(0.1)
    api.put(PODS, pod("till", version="2"))
    api.put(PODS, pod("other", version="2"))
    await asyncio.sleep(0.1)
    assert {SHOP, TILL} == set(informer.store.snapshot())
    assert [SHOP, TILL, TILL] == sorted(told)
    paths = {f"/api/v1/namespaces/{each}/pods" for each in ("shop", "till")}
    assert paths == {request.path for request in api.asked}
    assert "shop/pods and /api/v1/namespaces/till/pods 2 objects, synced>" in repr(informer)


async def test_it_is_synced_once_all_are(api, start):
    """What is not there in one of them may be in the other."""
    api.put(PODS, pod("shop"))
    api.forbidden = {"till"}
    informer, told = start(api.kube, within("shop", "till"))
    await asyncio.sleep(5)
    assert [SHOP] == told
    assert not informer.synced.is_set()
    assert informer.failure
    assert "Forbidden" in str(informer.failure_in("till"))
    assert informer.failure_in("shop") is None
    assert [True, False] == [informer.synced_in(each).is_set() for each in ("shop", "till")]
    api.forbidden = set()
    await asyncio.sleep(10)
    assert informer.synced.is_set()
    assert informer.failure is None


@pytest.mark.parametrize("code", [403, 404])
async def test_one_that_may_be_missing_is_waited_for_a_while_and_followed_on(
    api, start, caplog, code
):
    """Rights take a moment after an install; but the others cannot wait for one that is gone."""
    api.put(PODS, pod("till"))
    real = api.send

    async def send(request):
        if "/till/" in request.path and code:
            return FakeAnswer(code, status(code, "No"))
        return await real(request)

    api.send = send
    informer, told = start(api.kube, within("shop", "till"), optional={"till"})
    await asyncio.sleep(REFUSED_SECONDS - 0.1)
    assert not informer.synced.is_set()
    await asyncio.sleep(60)
    assert informer.synced.is_set()
    assert not informer.synced_in("till").is_set(), "what is there is not known all the same"
    [line] = [each.message for each in caplog.records if "watchNamespaces" in each.message]
    assert "namespace till is gone, take it out" in line
    assert [] == told
    code = 0
    await asyncio.sleep(10)
    assert [TILL] == told
    assert informer.synced_in("till").is_set()


async def test_what_cannot_be_reached_is_waited_for(api, start):
    """That is an outage, of which nothing follows for any namespace."""
    api.down = True
    informer, _ = start(api.kube, within("shop", "till"), optional={"shop", "till"})
    await asyncio.sleep(60)
    assert not informer.synced.is_set()


async def test_one_that_fails_holds_up_no_other(api, start, caplog):
    """A namespace that is deleted takes its role with it."""
    caplog.set_level("INFO", "kube")
    informer, told = start(api.kube, within("shop", "till"))
    await informer.synced.wait()
    await asyncio.sleep(0.1)
    api.forbidden = {"till"}
    api.cut()
    await asyncio.sleep(60)
    api.put(PODS, pod("shop"))
    await asyncio.sleep(1)
    assert [SHOP] == told
    assert "Forbidden" in str(informer.failure)
    assert informer.synced.is_set(), "what was known of it is the last that was to be known"
    lines = [record.message for record in caplog.records if "till" in record.message]
    assert [True, True] == ["Unreachable" in lines[0], "Forbidden" in lines[1]]
    assert 2 == len(lines), "once, not at each attempt"


async def test_a_list_is_of_its_own_namespace_alone(api, start):
    """Were it not, each namespace would take away what the others have, when it is listed again."""
    for namespace in ("shop", "till"):
        api.put(PODS, pod(namespace))
    informer, told = start(api.kube, within("shop", "till"))
    await informer.synced.wait()
    await asyncio.sleep(0.1)
    told.clear()
    api.cut()
    del api.objects[PODS.path_of(SHOP)]
    api.next_is("watch", *(FakeAnswer(410, status(410, "Expired")) for _ in range(2)))
    await asyncio.sleep(5)
    assert [SHOP] == told
    assert {TILL} == set(informer.store.snapshot())


async def test_of_nothing_there_is_nothing_and_that_is_known_at_once(api, start):
    """There is no role for it, and nobody waits for what will never be listed."""
    informer, told = start(api.kube, ())
    assert informer.synced.is_set()
    await asyncio.sleep(1)
    assert ([], []) == (api.asked, told)
    assert "of nothing" in repr(informer)


async def test_what_is_forgotten_is_not_known(api):
    """What its definition took with it, say, without a word on any of it."""
    informer = Informer(api.kube, *within("shop", "till"))
    api.put(PODS, pod("shop"))
    for _ in range(2):
        task = asyncio.create_task(informer.run())
        await informer.synced.wait()
        assert {SHOP} == set(informer.store.snapshot())
        task.cancel()
        await asyncio.wait([task])
        informer.forget()
        assert not informer.synced.is_set()
        assert 0 == len(informer.store)


def test_the_objects_of_a_namespace_are_replaced_with_their_indexes():
    """Those of the others are found as before."""
    store = Store({"name": lambda item: [item["metadata"]["name"]]})
    store.replace({SHOP: pod("shop")}, "shop")
    store.replace({TILL: pod("till")}, "till")
    assert {SHOP, TILL} == store.keys_by("name", "a")
    (gone,) = store.replace({}, "shop")
    assert (SHOP, None) == (gone.key, gone.new)
    assert {TILL} == store.keys_by("name", "a")
