from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from istio.gate import GateOptions
from istio.mesh import MeshGate

OTHER: dict[str, Any] = {
    "chances": 1,
    "message_timeout_seconds": 60.0,
    "cluster_prefix": "inbound|",
    "retries": 1,
    "retry_base_seconds": 0.01,
    "retry_max_seconds": 0.02,
}


def test_the_defaults_of_a_gate_are_the_measured_ones():
    """They are written down twice: where a gate is made, and where an engineer chooses."""
    mesh = MeshGate()
    assert GateOptions(cluster_name=mesh.cluster_name) == mesh.options


def test_every_option_of_a_gate_can_be_chosen_and_is_obeyed():
    """One that is forgotten here would be told to nobody."""
    assert {field.name for field in fields(GateOptions)} == {*OTHER, "cluster_name"}
    mesh = MeshGate(hold_cluster="hold", **OTHER)
    assert GateOptions(cluster_name="hold", **OTHER) == mesh.options


def test_the_cluster_is_the_one_that_istiod_makes_unless_it_is_named():
    """Any other would fail open, silently."""
    where: dict[str, Any] = {
        "namespace": "holds",
        "hold_service": "h",
        "hold_port": 1,
        "domain": "example.org",
    }
    assert "outbound|1||h.holds.svc.example.org" == MeshGate(**where).cluster_name
    assert "mine" == MeshGate(**where, hold_cluster="mine").cluster_name


@pytest.mark.parametrize("labels", [{"a": "b"}, '{"a": "b"}'])
def test_labels_may_come_as_text(labels):
    """On a command line and in the environment everything does."""
    assert {"a": "b"} == MeshGate(gate_selector=labels).gate_selector


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"chances": 6}, "chances"),
        ({"message_timeout_seconds": 3601}, "message_timeout_seconds"),
        ({"keepalive_interval_seconds": 0}, "keepalive_interval_seconds"),
        ({"keepalive_timeout_seconds": "nan"}, "keepalive_timeout_seconds"),
        ({"gate_attach": "waypoints"}, "gate_attach"),
        ({"gate_priority": 2**31}, "gate_priority"),
        ({"gate_revision": "no label"}, "gate_revision"),
        ({"gate_selector": "a=b"}, "gate_selector"),
        ({"gate_selector": '{"a": 1}'}, "gate_selector"),
        ({"gate_name": "Layby"}, "gate_name"),
        ({"cluster_prefix": "it's"}, "cluster_prefix"),
        ({"retry_base_seconds": 1}, "retry_base_seconds"),
        ({"chance": 1}, "chance"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong, said):
    """Istiod passes on what Envoys refuse, and then they keep the listeners that they have."""
    with pytest.raises(ValidationError, match=said):
        MeshGate(**wrong)
