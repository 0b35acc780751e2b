import pytest

from extproc.mesh.identity import Destination, destination


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ("outbound|80||cart.shop.svc.cluster.local", Destination("shop", "cart", 80)),
        ("outbound|80|v1|cart.shop.svc.cluster.local", Destination("shop", "cart", 80)),
        ("inbound|80||cart.shop.svc.cluster.local", None),
        ("inbound|8080||", None),
        ("outbound_.80_._.cart.shop.svc.cluster.local", None),
        ("outbound|80||cart.shop.svc.other.domain", None),
        ("outbound|80||example.com", None),
        ("outbound|http||cart.shop.svc.cluster.local", None),
        ("outbound|80||cart.svc.cluster.local", None),
        ("outbound|80||pod-0.cart.shop.svc.cluster.local", None),
        ("outbound|80|cart.shop.svc.cluster.local", None),
        ("outbound|80||cart.shop.svc.cluster.local|x", None),
        ("PassthroughCluster", None),
        ("", None),
    ],
)
def test_a_cluster_of_a_service_port_is_told_from_all_others(cluster, expected):
    """What is taken for another's would wake the wrong workload, or none."""
    assert expected == destination(cluster, "cluster.local")


def test_the_domain_is_the_cluster_s_own():
    """Not every cluster is `cluster.local`."""
    cluster = "outbound|443||cart.shop.svc.example.org"
    assert Destination("shop", "cart", 443) == destination(cluster, "example.org")
    assert destination(cluster, "cluster.local") is None
