"""What the API server makes of our verbs, where a fake one would only repeat what we believe."""

import asyncio

import pytest

from kube.client import Kube, Scale
from kube.connection import Connection
from kube.discovery import Discovery
from kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    MismatchError,
    NotFoundError,
)
from kube.events import Recorder
from kube.request import Request
from kube.resource import CONFIG_MAPS, DEPLOYMENTS, EVENTS, NAMESPACES, Key, Resource, Selection

pytestmark = pytest.mark.kube

DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False
)
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")


def deployment(namespace, name="cart", replicas=0):
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "none"}]},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


@pytest.fixture
async def cart(kube, shop):
    """A workload with no replica."""
    await kube.apply(DEPLOYMENTS, deployment(shop))
    return Key(shop, "cart")


async def test_zero_replicas_can_be_tested_for(kube, cart):
    """The scale of a workload at zero has no such field at all."""
    assert {} == (await kube.get(DEPLOYMENTS, cart, subresource="scale"))["spec"]
    scale = await kube.patch_scale(DEPLOYMENTS, cart, current=0, desired=2)
    assert Scale(2, 0, "app=cart") == scale
    for wrong in (0, 1):
        with pytest.raises(MismatchError):
            await kube.patch_scale(DEPLOYMENTS, cart, current=wrong, desired=3)
    assert Scale(0, 0, "app=cart") == await kube.patch_scale(
        DEPLOYMENTS, cart, current=2, desired=0
    )
    with pytest.raises(InvalidError) as negative:
        await kube.patch_scale(DEPLOYMENTS, cart, current=0, desired=-1)
    assert not isinstance(negative.value, MismatchError)


async def test_of_many_wakes_one_scales(kube, cart):
    """Every replica has the same request to wake for."""
    wakes = [kube.patch_scale(DEPLOYMENTS, cart, current=0, desired=1) for _ in range(10)]
    ended = await asyncio.gather(*wakes, return_exceptions=True)
    assert 1 == sum(isinstance(end, Scale) for end in ended)
    # The API server itself tries again after a conflict, so that no other error is left.
    assert 9 == sum(isinstance(end, MismatchError) for end in ended)


async def test_a_field_of_another_manager_is_a_conflict_with_its_name(kube, connection, shop):
    """A condition can then say whose it is, and leave it alone."""
    await kube.patch_merge(NAMESPACES, Key("", shop), {"metadata": {"labels": {"who": "people"}}})
    ours = {"metadata": {"name": shop, "labels": {"who": "layby"}}}
    other = Kube(connection, field_manager="other")
    with pytest.raises(ConflictError) as caught:
        await other.apply(NAMESPACES, ours)
    assert not isinstance(caught.value, AlreadyExistsError)
    (cause,) = caught.value.causes
    assert ("FieldManagerConflict", ".metadata.labels.who") == (cause["reason"], cause["field"])
    assert '"layby"' in cause["message"]
    assert "other" not in cause["message"]
    taken = await other.apply(NAMESPACES, ours, force=True)
    assert "layby" == taken["metadata"]["labels"]["who"]


async def test_what_is_applied_no_longer_goes_away_and_nothing_else(kube, connection, shop):
    """That is how a setting that is taken back is undone."""
    body = {"metadata": {"namespace": shop, "name": "a"}, "data": {"one": "1", "two": "2"}}
    await kube.apply(CONFIG_MAPS, body)
    other = Kube(connection, field_manager="other")
    await other.patch_merge(CONFIG_MAPS, Key(shop, "a"), {"data": {"three": "3"}})
    left = await kube.apply(CONFIG_MAPS, {**body, "data": {"one": "1"}})
    assert {"one": "1", "three": "3"} == left["data"]


async def test_applying_the_same_again_changes_nothing(kube, shop):
    """Not even the version: nobody who watches is told."""
    first = await kube.apply(DEPLOYMENTS, deployment(shop))
    again = await kube.apply(DEPLOYMENTS, deployment(shop))
    assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]


async def test_a_status_is_applied_by_itself(kube, shop, cart):
    """Neither does it touch the spec, nor the spec it."""
    await kube.apply_status(
        DEPLOYMENTS,
        {"metadata": {"namespace": shop, "name": "cart"}, "status": {"observedGeneration": 7}},
    )
    await kube.apply(DEPLOYMENTS, deployment(shop, replicas=3))
    found = await kube.get(DEPLOYMENTS, cart)
    assert (3, 7) == (found["spec"]["replicas"], found["status"]["observedGeneration"])


async def test_replacing_what_has_changed_is_a_conflict(kube, note):
    """Somebody else's change would be lost."""
    key = await note("a", "one")
    read = await kube.get(CONFIG_MAPS, key)
    await note("a", "two")
    with pytest.raises(ConflictError):
        await kube.replace(CONFIG_MAPS, {**read, "data": {"text": "three"}})
    with pytest.raises(AlreadyExistsError):
        await kube.create(CONFIG_MAPS, {"metadata": {"namespace": key.namespace, "name": "a"}})


async def test_only_the_object_that_was_meant_is_deleted(kube, note):
    """One of the same name may be somebody else's by now."""
    key = await note("a")
    metadata = (await kube.get(CONFIG_MAPS, key))["metadata"]
    await note("a", "changed")
    for precondition in ({"uid": "another"}, {"version": metadata["resourceVersion"]}):
        with pytest.raises(ConflictError):
            await kube.delete(CONFIG_MAPS, key, **precondition)
    await kube.delete(CONFIG_MAPS, key, uid=metadata["uid"])
    with pytest.raises(NotFoundError):
        await kube.delete(CONFIG_MAPS, key)


async def test_a_role_that_lacks_something_is_told_so(kube, plane, shop):
    """With a sentence that says what it lacks."""
    await kube.create(ACCOUNTS, {"metadata": {"namespace": shop, "name": "nobody"}})
    file = await asyncio.to_thread(plane.kubeconfig_of, "nobody", shop)
    async with await Connection.open(kubeconfig=file, user_agent="x") as connection:
        with pytest.raises(ForbiddenError, match='cannot list resource "configmaps"'):
            await Kube(connection).list(Selection(CONFIG_MAPS, shop))


async def test_a_scale_is_found_on_what_was_defined_a_moment_ago(kube, shop):
    """A rollout is a workload too, and may be installed after Layby."""
    discovery = Discovery(kube)
    kind = f"Rollout{shop.removeprefix('t-')}".capitalize()
    plural = f"{kind.lower()}s"
    assert await discovery.find("test.layby.dev/v1", kind) is None
    replicas = {"type": "integer"}
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "object", "properties": {"replicas": replicas}}
            for name in ("spec", "status")
        },
    }
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"scale": scale},
    }
    body = {
        "metadata": {"name": f"{plural}.test.layby.dev"},
        "spec": {
            "group": "test.layby.dev",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }
    await kube.create(DEFINITIONS, body)
    async with asyncio.timeout(10):
        while (found := await discovery.find("test.layby.dev/v1", kind)) is None:
            discovery.forget("test.layby.dev/v1")
            await asyncio.sleep(0.1)
    assert found.has_scale
    rollout = Key(shop, "cart")
    await kube.create(found.resource, {"metadata": rollout._asdict(), "spec": {"replicas": 0}})
    assert 1 == (await kube.patch_scale(found.resource, rollout, current=0, desired=1)).desired
    with pytest.raises(MismatchError):
        await kube.patch_scale(found.resource, rollout, current=0, desired=2)


@pytest.mark.parametrize(
    ("api_version", "kind", "has_scale"),
    [
        ("apps/v1", "Deployment", True),
        ("apps/v1", "StatefulSet", True),
        ("apps/v1", "DaemonSet", False),
        ("v1", "ReplicationController", True),
        ("v1", "ConfigMap", False),
    ],
)
async def test_built_in_kinds_are_found(kube, api_version, kind, has_scale):
    """With what they can."""
    found = await Discovery(kube).find(api_version, kind)
    assert found
    assert has_scale is found.has_scale


async def test_events_are_accepted_and_counted(kube, shop, cart, run):
    """Of a workload, and of what belongs to the whole cluster."""
    recorder = Recorder(kube, "layby.dev/controller", "controller-0")
    run(recorder.run())
    workload = await kube.get(DEPLOYMENTS, cart)
    namespace = await kube.get(NAMESPACES, Key("", shop))
    for about in (workload, namespace):
        recorder.tell(about, "Woke", f"by a request for {shop}", action="Wake")
    counts: list[int] = []
    async with asyncio.timeout(10):
        while counts != [3, 3]:
            counts = []
            for where in (shop, "default"):
                listed = await kube.list(Selection(EVENTS, where))
                for event in listed.items:
                    if shop in event["note"]:
                        counts.append(event.get("series", {}).get("count", 1))
            if counts in ([1, 1], [2, 2]):
                for about in (workload, namespace):
                    recorder.tell(about, "Woke", f"by a request for {shop}", action="Wake")
            await asyncio.sleep(0.02)
    assert 0 == recorder.lost
    core = await kube.send(Request("list", "GET", f"/api/v1/namespaces/{shop}/events"))
    assert ["cart"] == [item["involvedObject"]["name"] for item in core["items"]]
