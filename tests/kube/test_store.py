import pytest

from kube.resource import Key
from kube.store import Change, Store


def pod(name, version, app="cart", uid="1"):
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "resourceVersion": str(version),
            "uid": uid,
            "labels": {"app": app},
        }
    }


def app_of(item):
    return [item["metadata"]["labels"]["app"]]


A, B = Key("shop", "a"), Key("shop", "b")


@pytest.fixture
def store():
    return Store({"app": app_of})


def test_a_replacement_tells_what_is_new_other_and_gone(store):
    """A list after an outage stands for all the events that were missed."""
    old, same, other = pod("a", 1), pod("b", 2), pod("c", 3)
    store.replace({A: old, B: same, Key("shop", "c"): other})
    newer, new = pod("c", 4), pod("d", 5)
    changes = store.replace({B: same, Key("shop", "c"): newer, Key("shop", "d"): new})
    assert [
        Change(A, old, None),
        Change(Key("shop", "c"), other, newer),
        Change(Key("shop", "d"), None, new),
    ] == changes


def test_what_is_the_same_tells_nothing(store):
    """Otherwise every reconnection would have everything reconciled."""
    store.put(A, pod("a", 1))
    assert store.put(A, pod("a", 1)) is None
    assert [] == store.replace({A: pod("a", 1)})
    assert store.remove(B) is None


def test_an_object_made_anew_is_another_whatever_its_version(store):
    """A cluster restored from a backup counts versions from an earlier one on."""
    store.put(A, pod("a", 1, uid="1"))
    new = pod("a", 1, uid="2")
    assert Change(A, pod("a", 1, uid="1"), new) == store.put(A, new)


def test_a_snapshot_does_not_change(store):
    """A decision is made on one state of things, over as many awaits as it takes."""
    store.put(A, pod("a", 1))
    before = store.snapshot()
    store.put(B, pod("b", 2))
    store.remove(A)
    store.put(B, pod("b", 3))
    assert {A: pod("a", 1)} == before
    assert {B: pod("b", 3)} == store.snapshot()
    after = store.snapshot()
    store.replace({})
    assert {B: pod("b", 3)} == after


def test_a_snapshot_cannot_be_changed(store):
    """Nor by whoever holds it."""
    with pytest.raises(TypeError):
        store.snapshot()[A] = pod("a", 1)


def test_changes_that_nobody_looks_at_in_between_cost_one_copy(store):
    """Two thousand events after a snapshot must not copy two thousand objects each."""
    store.put(A, pod("a", 1))
    store.snapshot()
    store.put(B, pod("b", 2))
    own = store._objects
    store.put(B, pod("b", 3))
    store.remove(A)
    assert own is store._objects


def test_an_index_follows_every_change(store):
    """The slices of a service must be found among those of two thousand."""
    store.put(A, pod("a", 1))
    store.put(B, pod("b", 2))
    assert {A, B} == store.keys_by("app", "cart")
    store.put(B, pod("b", 3, app="till"))
    assert ({A}, {B}) == (store.keys_by("app", "cart"), store.keys_by("app", "till"))
    store.remove(A)
    assert frozenset() == store.keys_by("app", "cart")
    store.replace({A: pod("a", 4, app="till"), B: pod("b", 3, app="till")})
    assert [pod("a", 4, app="till"), pod("b", 3, app="till")] == store.objects_by("app", "till")


def test_an_index_keeps_nothing_of_what_is_gone(store):
    """Labels come and go for years."""
    for number in range(3):
        store.put(A, pod("a", number, app=f"app-{number}"))
    store.remove(A)
    assert {"app": {}} == store._indexes


def test_an_index_function_that_fails_finds_nothing_and_breaks_nothing(store, caplog):
    """One strange object must not keep all others from being seen."""
    strange = {"metadata": {"name": "a", "resourceVersion": "1"}}
    assert Change(A, None, strange) == store.put(A, strange)
    store.put(B, pod("b", 2))
    assert {B} == store.keys_by("app", "cart")
    assert "an index function failed" in caplog.text
    assert "<Store 2 objects>" == repr(store)
    assert strange == store.get(A)
