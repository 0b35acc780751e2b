import pytest

from controller.rule import WILDCARDS, Mesh, Rule, by_host, seen_from
from tests.controller.objects import MESH, read_rule, rule

HOST = "cart.shop.svc.cluster.local"
EXACT = {"namespace": "shop"}
ROOT, CALLER = "istio-system", "web"


def exported(*to):
    return {"spec": {"exportTo": list(to)}}


@pytest.mark.parametrize(
    ("rules", "seen"),
    [
        ([], {"shop": [], CALLER: [], ROOT: []}),
        ([read_rule("own")], {"shop": [["own"]], CALLER: [["own"]], ROOT: [["own"]]}),
        # The caller's namespace goes before that of the Service.
        (
            [read_rule("own"), read_rule("theirs", namespace=CALLER)],
            {"shop": [["own"]], CALLER: [["theirs"]], ROOT: [["own"]]},
        ),
        # What is exported from the root namespace comes last, but is for all.
        (
            [read_rule("all", namespace=ROOT, host="*.local")],
            {"shop": [["all"]], CALLER: [["all"]], ROOT: [["all"]]},
        ),
        (
            [read_rule("own"), read_rule("all", namespace=ROOT)],
            {"shop": [["own"]], CALLER: [["own"]], ROOT: [["own"]]},
        ),
        # A rule that is private to the root namespace is for the gateways there, before all else.
        (
            [read_rule("own"), read_rule("gw", namespace=ROOT, **exported("."))],
            {"shop": [["own"]], CALLER: [["own"]], ROOT: [["gw"]]},
        ),
        ([read_rule("own", **exported("."))], {"shop": [["own"]], CALLER: [], ROOT: []}),
        (
            [read_rule("own", **exported("shop", CALLER))],
            {"shop": [["own"]], CALLER: [["own"]], ROOT: []},
        ),
        # An exact host goes before a wildcard, and a long wildcard before a short one.
        (
            [
                read_rule("w", host="*.local"),
                read_rule("x", host="*.shop.svc.cluster.local"),
            ],
            {"shop": [["x"]], CALLER: [["x"]]},
        ),
        ([read_rule("w", host="*.local"), read_rule("own")], {"shop": [["own"]]}),
        # Rules of one host and one exportTo are merged, the oldest first, then by name.
        (
            [
                read_rule("b"),
                read_rule("c", creationTimestamp="2025-01-01T00:00:00Z"),
                read_rule("a"),
            ],
            {"shop": [["c", "a", "b"]]},
        ),
        (
            [read_rule("a"), read_rule("b", **exported("*")), read_rule("c")],
            {"shop": [["a", "c"], ["b"]]},
        ),
        # One with a selector is for some proxies of its own namespace only.
        (
            [
                read_rule("a"),
                read_rule("s", spec={"workloadSelector": {"matchLabels": {"a": "b"}}}),
            ],
            {"shop": [["a"], ["s"]], CALLER: [["a"]]},
        ),
    ],
)
def test_a_proxy_gets_the_rules_that_istiod_gives_it(rules, seen):
    """Advice for a rule that nobody gets would be worse than none."""
    for namespace, expected in seen.items():
        groups = seen_from(namespace, "shop", rules, MESH)
        assert expected == [[each.key.name for each in group] for group in groups], namespace


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HOST, True),
        ("cart", True),
        ("*", True),
        ("*.shop.svc.cluster.local", True),
        ("*.local", True),
        ("cart.shop", False),  # what has a dot is taken for a whole name
        ("till", False),
        ("*.till.svc.cluster.local", False),
    ],
)
def test_hosts_are_resolved_as_istiod_does(host, expected):
    """A short name is one in the rule's own namespace."""
    assert expected is read_rule(host=host).matches(HOST)
    indexed = by_host(MESH, rule(host=host))
    assert not expected or indexed in ([HOST], [WILDCARDS])


def test_the_domain_is_the_mesh_s():
    """Not every cluster is cluster.local."""
    mesh = Mesh(domain="example.org")
    assert Rule.read(rule(host="cart"), mesh).matches(mesh.host("cart", "shop"))
