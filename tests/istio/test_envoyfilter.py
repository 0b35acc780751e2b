from typing import Any

import pytest
import yaml

from istio.cluster import hold_cluster
from istio.envoyfilter import envoy_filter
from istio.gate import gate
from istio.generate import GOLDEN, render
from istio.mesh import Attach, MeshGate
from istio.protojson import to_dict

MESH = MeshGate(
    gate_name="n", root_namespace="s", hold_cluster="hold", chances=2, gate_attach=Attach.ALL
)


def patches(mesh: MeshGate, kind: str) -> list[Any]:
    """The patches of one kind, as they are read by istiod."""
    document = yaml.safe_load(yaml.safe_dump(envoy_filter(mesh)))
    return [patch for patch in document["spec"]["configPatches"] if patch["applyTo"] == kind]


def test_golden_files_are_current():
    """People apply them and other tests load them; `python -m istio.generate` refreshes them."""
    assert render() == {path.name: path.read_text() for path in GOLDEN.iterdir()}


def test_filters_are_inserted_before_the_router_in_their_order_once_per_context():
    """The order in the list is the order in which istiod applies the patches."""
    assert {"name": "n", "namespace": "s"} == envoy_filter(MESH)["metadata"]
    found = patches(MESH, "HTTP_FILTER")
    names = [part.name for part in gate(MESH.options)]
    assert [(context, name) for context in ("GATEWAY", "SIDECAR_OUTBOUND") for name in names] == [
        (patch["match"]["context"], patch["patch"]["value"]["name"]) for patch in found
    ]
    assert {("INSERT_BEFORE", "envoy.filters.http.router")} == {
        (
            patch["patch"]["operation"],
            patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"],
        )
        for patch in found
    }


@pytest.mark.parametrize(
    ("attach", "contexts"),
    [
        (Attach.ALL, {"GATEWAY", "SIDECAR_OUTBOUND"}),
        (Attach.GATEWAYS, {"GATEWAY"}),
        (Attach.SIDECARS, {"SIDECAR_OUTBOUND"}),
    ],
)
@pytest.mark.parametrize("kind", ["HTTP_FILTER", "NETWORK_FILTER", "CLUSTER"])
def test_whose_requests_are_held_is_a_choice(attach, contexts, kind):
    """A mesh without sidecars, or one where only callers inside it should wait."""
    found = patches(MESH.model_copy(update={"gate_attach": attach}), kind)
    assert contexts == {patch["match"]["context"] for patch in found}


def test_the_demand_log_is_merged_into_each_connection_manager():
    """Without it nobody knows when a workload is idle; a mesh's own logs must stay."""
    merged = patches(MESH, "NETWORK_FILTER")
    assert {"MERGE"} == {patch["patch"]["operation"] for patch in merged}
    config = merged[0]["patch"]["value"]["typed_config"]
    (log,) = config["access_log"]
    common = log["typed_config"]["common_config"]
    assert {"envoy_grpc": {"cluster_name": "hold"}} == common["grpc_service"]
    assert config["access_log_options"]["flush_access_log_on_new_request"]


def test_hold_servers_are_pinged_as_in_local_mode():
    """One that is frozen or cut off is noticed by nothing else. What is not HTTP/2 has no pings."""
    local: Any = to_dict(hold_cluster("hold", []))
    for patch in patches(MESH, "CLUSTER"):
        assert {"name": "hold"} == patch["match"]["cluster"]
        options = local["typed_extension_protocol_options"]
        merged = {
            "operation": "MERGE",
            "value": {"typed_extension_protocol_options": options},
        }
        assert merged == patch["patch"]
    (options,) = options.values()
    http2 = options["explicit_http_config"]["http2_protocol_options"]
    assert {"connection_keepalive": {"interval": "2s", "timeout": "1s"}} == http2


def test_a_selector_and_a_revision_narrow_it_down():
    """A mesh in the middle of an upgrade has two of everything."""
    document: Any = envoy_filter(
        MeshGate(gate_selector={"istio": "ingressgateway"}, gate_revision="1-31")
    )
    assert {"labels": {"istio": "ingressgateway"}} == document["spec"]["workloadSelector"]
    assert {"istio.io/rev": "1-31"} == document["metadata"]["labels"]


def test_without_them_it_is_for_all():
    """An empty selector is not the same as none to everybody."""
    document: Any = envoy_filter(MeshGate())
    assert "workloadSelector" not in document["spec"]
    assert "labels" not in document["metadata"]
