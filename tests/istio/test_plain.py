import pytest

from istio.address import TcpAddress
from istio.gate import gate
from istio.mesh import MeshGate
from istio.plain import Gateway, envoy_patch_policy, snippet

GATEWAY = Gateway("shop", "eg", ("http", "https"))


def names(mesh: MeshGate) -> list[str]:
    """The filters of the gate, in their order."""
    return [part.name for part in gate(mesh.options)]


def operations(document, kind: str):
    """The patches of one kind of resource."""
    patches = document["spec"]["jsonPatches"]
    return [patch for patch in patches if patch["type"].endswith(kind)]


def test_a_snippet_has_all_that_a_hold_needs():
    """Filters without the log would put workloads to sleep that are in use."""
    found = snippet(MeshGate(chances=1))
    assert names(MeshGate(chances=1)) == [part["name"] for part in found["http_filters"]]
    (log,), (cluster,) = found["router"]["upstream_log"], found["clusters"]
    service = log["typed_config"]["common_config"]["grpc_service"]
    assert cluster["name"] == service["envoy_grpc"]["cluster_name"] == "layby"
    assert found["router"]["upstream_log_options"]["flush_upstream_log_on_upstream_stream"]


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        (None, ("layby-extproc.layby-system.svc.cluster.local", 9002)),
        (TcpAddress("hold.example.org", 443), ("hold.example.org", 443)),
    ],
)
def test_the_hold_servers_are_found_by_name(servers, expected):
    """No istiod makes this cluster, so it says itself where they are."""
    (cluster,) = snippet(MeshGate(), servers)["clusters"]
    ((member,),) = (part["lb_endpoints"] for part in cluster["load_assignment"]["endpoints"])
    address = member["endpoint"]["address"]["socket_address"]
    assert ("STRICT_DNS", expected) == (
        cluster["type"],
        (address["address"], address["port_value"]),
    )


def test_a_cluster_by_another_name_is_asked_and_made():
    """It may be there already under that name."""
    found = snippet(MeshGate(hold_cluster="mine", chances=1))
    assert "mine" == found["clusters"][0]["name"]
    assert "'cluster_name': 'mine'" in str(found["http_filters"])
    assert "'cluster_name': 'mine'" in str(found["router"])


def test_patches_insert_each_filter_at_the_router_in_their_order():
    """Envoy Gateway applies patches as listed: each filter lands behind the one before it."""
    document = envoy_patch_policy(MeshGate(), GATEWAY)
    assert {"name": "layby", "namespace": "shop"} == document["metadata"]
    found = operations(document, "Listener")
    filters = [
        patch["operation"]["value"]["name"]
        for patch in found
        if "path" not in patch["operation"] and patch["name"] == "shop/eg/https"
    ]
    assert names(MeshGate()) == filters
    assert {"shop/eg/http", "shop/eg/https"} == {patch["name"] for patch in found}
    assert {"add"} == {patch["operation"]["op"] for patch in document["spec"]["jsonPatches"]}


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "httproute/"), ({"cluster_prefix": "outbound|"}, "outbound|")]
)
def test_clusters_are_told_by_envoy_gateways_names_unless_others_are_asked_for(given, expected):
    """With istiod's prefix none of its clusters would be marked."""
    document = envoy_patch_policy(MeshGate(**given), GATEWAY)
    mark = operations(document, "Listener")[0]["operation"]["value"]
    assert f"startsWith('{expected}')" in str(mark)


def test_one_cluster_is_added_whole():
    """Envoy Gateway takes an addition with an empty path for a whole resource."""
    (patch,) = operations(envoy_patch_policy(MeshGate(), GATEWAY), "Cluster")
    assert ("layby", "") == (patch["name"], patch["operation"]["path"])
    assert "layby" == patch["operation"]["value"]["name"]
