import pytest

from kube.resource import (
    DEPLOYMENTS,
    HOLD_POLICIES,
    NAMESPACES,
    PODS,
    Key,
    Selection,
    group_path,
    key_of,
)

CART = Key("shop", "cart")


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("/api/v1/pods", PODS.path()),
        ("/api/v1/namespaces/shop/pods", PODS.path("shop")),
        ("/api/v1/namespaces/shop/pods/cart", PODS.path_of(CART)),
        ("/api/v1/namespaces", NAMESPACES.path()),
        ("/api/v1/namespaces/shop", NAMESPACES.path_of(Key("", "shop"))),
        ("/apis/apps/v1/namespaces/shop/deployments/cart", DEPLOYMENTS.path_of(CART)),
        (
            "/apis/apps/v1/namespaces/shop/deployments/cart/scale",
            DEPLOYMENTS.path_of(CART, "scale"),
        ),
        ("/apis/layby.dev/v1alpha1/holdpolicies/all", HOLD_POLICIES.path_of(Key("", "all"))),
        ("/apis/apps/v1", group_path("apps/v1")),
        ("/api/v1", group_path("v1")),
    ],
)
def test_a_resource_knows_its_paths(expected, actual):
    """The core group is served elsewhere than all others, and a namespace is a thing too."""
    assert expected == actual


@pytest.mark.parametrize("name", ["../secrets/key", "a/b", "a?b=c", "a#b"])
def test_a_name_cannot_lead_to_another_path(name):
    """Names come from the command line and from references in objects that anyone may write."""
    path = PODS.path_of(Key("shop", name))
    assert path.startswith("/api/v1/namespaces/shop/pods/")
    assert not set("/?#") & set(path.removeprefix("/api/v1/namespaces/shop/pods/"))


@pytest.mark.parametrize(
    ("expected", "metadata"),
    [(CART, {"namespace": "shop", "name": "cart"}), (Key("", "shop"), {"name": "shop"})],
)
def test_an_object_has_a_key(expected, metadata):
    """Those of the whole cluster too, with the same type."""
    assert expected == key_of({"metadata": metadata})


def test_a_selection_asks_only_for_what_it_restricts():
    """An empty selector would be one too many in the audit log, and in the cache's key."""
    assert {} == Selection(PODS).query
    assert {"labelSelector": "app=cart"} == Selection(PODS, "shop", "app=cart").query
    assert "/api/v1/namespaces/shop/pods" == Selection(PODS, "shop").path
    assert "/api/v1/pods" == Selection(PODS).path


def test_the_api_version_is_what_objects_carry():
    """The core group has no name there."""
    assert ("v1", "apps/v1") == (PODS.api_version, DEPLOYMENTS.api_version)
