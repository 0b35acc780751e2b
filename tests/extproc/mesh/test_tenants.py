"""What a tenant who may write TrafficHolds in one namespace can do to another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.definition import DEFINITIONS
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from extproc.mesh.directory import build
from kube.resource import key_of
from tests.extproc.mesh.objects import hold, read_hold, service

OURS, THEIRS = "shop", "bank"
PLACES = ("vault", "vault.bank", "bank/vault", "vault.bank.svc.cluster.local", "../bank/vault")


def cluster_of(namespace: str) -> str:
    return f"outbound|80||vault.{namespace}.svc.cluster.local"


def built(*holds):
    """What is held, where both namespaces have a Service of the same name."""
    services = [service("vault", namespace=each) for each in (OURS, THEIRS)]
    return build(holds, {key_of(each): each for each in services}, "cluster.local")


def test_a_hold_holds_the_service_of_its_own_namespace_alone():
    """Services of the same name are common: every team has a `web`."""
    directory = built(read_hold("vault", services=("vault",), namespace=OURS))
    assert directory.find(cluster_of(OURS)) is not None
    assert directory.find(cluster_of(THEIRS)) is None


@pytest.mark.parametrize("name", PLACES[1:])
def test_another_namespace_cannot_be_named(name):
    """Neither in a Service's name nor in the target's: both are checked, as by the API server."""
    for item in (
        hold("mine", services=(name,), namespace=OURS),
        hold("mine", targetRef={"name": name}, namespace=OURS),
    ):
        try:
            parsed = TrafficHold.parse(item)
        except InvalidResourceError:
            continue
        assert not built(parsed).workloads


@given(st.text(max_size=80))
def test_no_name_of_a_service_leads_out_of_the_namespace(name):
    """Not even one that an API server would not take, as an old one may have."""
    item = hold("mine", services=None, namespace=OURS, status={"services": [{"name": name}]})
    try:
        directory = built(TrafficHold.parse(item, unknown="ignore"))
    except InvalidResourceError:
        return
    assert {OURS} >= {where.namespace for where in directory.keys}
    assert directory.find(cluster_of(THEIRS)) is None


def test_the_definition_has_no_field_for_a_namespace():
    """What cannot be written need not be forbidden."""
    (definition,) = (each for each in DEFINITIONS if each.kind == "TrafficHold")
    (version,) = definition.to_dict()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert not [name for name in names(spec) if "namespace" in name.lower()]


def names(schema):
    """The names of all fields."""
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from names(field)
        yield from names(field.get("items", {}))
