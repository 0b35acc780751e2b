from typing import Any

import yaml

from istio.envoyfilter import envoy_filter
from istio.gate import GateOptions, gate
from istio.generate import GOLDEN, render
from istio.protojson import to_dict

OPTIONS = GateOptions(cluster_name="hold", chances=2)


def test_golden_files_are_current():
    """People apply them and other tests load them; `python -m istio.generate` refreshes them."""
    assert render() == {path.name: path.read_text() for path in GOLDEN.iterdir()}


def test_filters_are_inserted_before_the_router_in_their_order_once_per_context():
    """The order in the list is the order in which istiod applies the patches."""
    document = yaml.safe_load(yaml.safe_dump(envoy_filter(OPTIONS, name="n", namespace="s")))
    assert {"name": "n", "namespace": "s"} == document["metadata"]
    patches = [p for p in document["spec"]["configPatches"] if p["applyTo"] == "HTTP_FILTER"]
    names = [part.name for part in gate(OPTIONS)]
    assert [(context, name) for context in ("GATEWAY", "SIDECAR_OUTBOUND") for name in names] == [
        (patch["match"]["context"], patch["patch"]["value"]["name"]) for patch in patches
    ]
    assert {("HTTP_FILTER", "INSERT_BEFORE", "envoy.filters.http.router")} == {
        (
            patch["applyTo"],
            patch["patch"]["operation"],
            patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"],
        )
        for patch in patches
    }


def test_contexts_are_the_callers_choice():
    """A mesh without sidecars, or one where only callers inside it should wait."""
    document = yaml.safe_load(
        yaml.safe_dump(envoy_filter(OPTIONS, name="n", namespace="s", contexts=("GATEWAY",)))
    )
    patches = document["spec"]["configPatches"]
    assert [to_dict(part) for part in gate(OPTIONS)] == [
        patch["patch"]["value"] for patch in patches if patch["applyTo"] == "HTTP_FILTER"
    ]
    assert {"GATEWAY"} == {patch["match"]["context"] for patch in patches}


def test_the_demand_log_is_merged_into_each_connection_manager():
    """Without it nobody knows when a workload is idle; a mesh's own logs must stay."""
    document: Any = envoy_filter(OPTIONS, name="n", namespace="s")
    merged = [p for p in document["spec"]["configPatches"] if p["applyTo"] == "NETWORK_FILTER"]
    assert ["GATEWAY", "SIDECAR_OUTBOUND"] == [patch["match"]["context"] for patch in merged]
    assert {"MERGE"} == {patch["patch"]["operation"] for patch in merged}
    config = merged[0]["patch"]["value"]["typed_config"]
    (log,) = config["access_log"]
    common = log["typed_config"]["common_config"]
    assert {"envoy_grpc": {"cluster_name": "hold"}} == common["grpc_service"]
    assert config["access_log_options"]["flush_access_log_on_new_request"]
