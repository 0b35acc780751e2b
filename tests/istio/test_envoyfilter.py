import re
from typing import Any

import pytest
import yaml

from istio.cluster import hold_cluster
from istio.envoyfilter import NEW_ENOUGH, envoy_filters
from istio.gate import gate
from istio.generate import GOLDEN, render
from istio.mesh import Attach, MeshGate
from istio.protojson import to_dict

MESH = MeshGate(
    gate_name="n", root_namespace="s", hold_cluster="hold", chances=2, gate_attach=Attach.ALL
)


def patches(mesh: MeshGate, kind: str) -> list[Any]:
    """The patches of one kind, as they are read by istiod."""
    (whole,) = envoy_filters(mesh)
    document = yaml.safe_load(yaml.safe_dump(whole))
    return [patch for patch in document["spec"]["configPatches"] if patch["applyTo"] == kind]


def at_router(mesh: MeshGate, operation: str) -> list[Any]:
    """The patches of a router or right before it."""
    found = patches(mesh, "HTTP_FILTER")
    return [patch for patch in found if patch["patch"]["operation"] == operation]


def test_golden_files_are_current():
    """People apply them and other tests load them; `python -m istio.generate` refreshes them."""
    assert render() == {path.name: path.read_text() for path in GOLDEN.iterdir()}


def test_filters_are_inserted_before_the_router_in_their_order_once_per_context():
    """The order in the list is the order in which istiod applies the patches."""
    assert [{"name": "n", "namespace": "s"}] == [each["metadata"] for each in envoy_filters(MESH)]
    found = at_router(MESH, "INSERT_BEFORE")
    names = [part.name for part in gate(MESH.options)]
    assert [(context, name) for context in ("GATEWAY", "SIDECAR_OUTBOUND") for name in names] == [
        (patch["match"]["context"], patch["patch"]["value"]["name"]) for patch in found
    ]
    assert {"envoy.filters.http.router"} == {
        patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"]
        for patch in patches(MESH, "HTTP_FILTER")
    }


@pytest.mark.parametrize(
    ("attach", "contexts"),
    [
        (Attach.ALL, {"GATEWAY", "SIDECAR_OUTBOUND"}),
        (Attach.GATEWAYS, {"GATEWAY"}),
        (Attach.SIDECARS, {"SIDECAR_OUTBOUND"}),
    ],
)
def test_whose_requests_are_held_is_a_choice(attach, contexts):
    """A mesh without sidecars, or one where only callers inside it should wait."""
    mesh = MESH.model_copy(update={"gate_attach": attach})
    held, logged = at_router(mesh, "INSERT_BEFORE"), at_router(mesh, "MERGE")
    assert contexts == {patch["match"]["context"] for patch in held}
    # Whoever is not held keeps a workload up all the same.
    for everybody in (logged, patches(mesh, "CLUSTER")):
        assert ["GATEWAY", "SIDECAR_OUTBOUND"] == [p["match"]["context"] for p in everybody]


def test_the_demand_log_is_merged_into_each_router():
    """Without it nobody knows when a workload is idle; a mesh's own logs must stay as they are."""
    config = at_router(MESH, "MERGE")[0]["patch"]["value"]["typed_config"]
    (log,) = config["upstream_log"]
    common = log["typed_config"]["common_config"]
    assert {"envoy_grpc": {"cluster_name": "hold"}} == common["grpc_service"]
    assert config["upstream_log_options"]["flush_upstream_log_on_upstream_stream"]


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


def test_a_selector_and_a_revision_narrow_the_gate_down():
    """A mesh in the middle of an upgrade has two of everything."""
    narrow = envoy_filters(
        MeshGate(gate_selector={"istio": "ingressgateway"}, gate_revision="1-31")
    )[-1]
    assert "layby" == narrow["metadata"]["name"]
    assert {"labels": {"istio": "ingressgateway"}} == narrow["spec"]["workloadSelector"]
    assert {"istio.io/rev": "1-31"} == narrow["metadata"]["labels"]
    assert {"INSERT_BEFORE"} == operations(narrow)


@pytest.mark.parametrize(
    "options", [{"gate_selector": {"istio": "ingressgateway"}}, {"gate_revision": "1-31"}]
)
def test_whoever_has_no_gate_keeps_a_workload_up_all_the_same(options):
    """It would be put to sleep under the traffic of those that the gate is not for."""
    log, narrow = envoy_filters(MeshGate(**options))
    (whole,) = envoy_filters(MeshGate())
    assert "layby-log" == log["metadata"]["name"]
    assert {"workloadSelector", "labels"}.isdisjoint({*log["spec"], *log["metadata"]})
    assert {"MERGE"} == operations(log)
    parts = [patch for part in (narrow, log) for patch in part["spec"]["configPatches"]]
    assert whole["spec"]["configPatches"] == parts


def operations(document: Any) -> set[str]:
    """What the patches of an EnvoyFilter do."""
    return {patch["patch"]["operation"] for patch in document["spec"]["configPatches"]}


def test_without_them_one_is_for_all():
    """An empty selector is not the same as none to everybody."""
    (document,) = envoy_filters(MeshGate())
    assert "workloadSelector" not in document["spec"]
    assert "labels" not in document["metadata"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.28.3", False),
        ("1.9.0", False),
        ("1.2.0", False),
        ("0.8.0", False),
        ("1.29.0", True),
        ("1.29-alpha.0", True),
        ("1.30.1", True),
        ("1.100.0", True),
        ("2.0.0", True),
        ("10.1.0", True),
        ("master-20261124", True),
    ],
)
def test_proxies_that_would_reject_the_gate_do_not_get_it(version, expected):
    """They would reject their listeners with it: one that is started anew would have none."""
    for kind in ("HTTP_FILTER", "NETWORK_FILTER", "CLUSTER"):
        for patch in patches(MESH, kind):
            # istiod searches with it, in Go's syntax, which is the same for all that is in it.
            found = re.search(patch["match"]["proxy"]["proxyVersion"], version)
            assert expected is (found is not None)
    assert len(NEW_ENOUGH) < 100
