import pytest
import yaml

from controller.destination_rule import Owner, cover, is_ours, name_of
from controller.rule import MANAGED_BY, Mesh, Rule
from tests.controller.objects import MESH, read_rule, read_service

OWNER = Owner("cart", "uid-of-cart")
HELD = {"outlierDetection": {"minHealthPercent": 1}}
OURS = {
    "outlierDetection": {"minHealthPercent": 1, "consecutive5xxErrors": 0},
    "loadBalancer": {"localityLbSetting": {"enabled": False}},
}
POOL = {"connectionPool": {"tcp": {"maxConnections": 1}}}
SUBSETS = [{"name": "v1", "labels": {"version": "v1"}}]
MTLS = {"tls": {"mode": "ISTIO_MUTUAL"}}
SOME = {"workloadSelector": {"matchLabels": {"a": "b"}}}


def covered(*rules, service=None, mesh=MESH):
    return cover(service or read_service(), rules, OWNER, mesh)


def with_policy(name="cart", policy=None, **more):
    return read_rule(name, spec={"trafficPolicy": policy or {}, **more.pop("spec", {})}, **more)


def added(coverage):
    """Return the YAML that a user is told to add, and to which rules."""
    pieces = [text.partition(":\n") for text in coverage.advice]
    return {
        head.removeprefix("add to DestinationRule "): yaml.safe_load(b) for head, _, b in pieces
    }


def ours():
    item = covered().ours
    assert item
    return Rule.read(item, MESH)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        # Other hosts' rules.
        [with_policy("till", POOL, host="till")],
        # Rules that have subsets and nothing else: istiod merges ours into them.
        [read_rule(spec={"subsets": SUBSETS})],
        # A rule for some proxies is no rule for the others; they need ours.
        [with_policy("some", HELD, spec=SOME)],
        # A caller's own rule is for that caller, and fit for it.
        [with_policy("theirs", HELD, namespace="web")],
        # What is private to the root namespace is not found in place of ours.
        [with_policy("gateways", HELD, namespace="istio-system", spec={"exportTo": ["."]})],
        # The rule is shadowed by one beside the Service already.
        [
            read_rule(spec={"subsets": SUBSETS}),
            with_policy("all", MTLS, namespace="istio-system", host="*.local"),
        ],
    ],
)
def test_there_is_a_rule_of_ours_where_it_takes_nothing_from_anyone(rules):
    """It keeps endpoints out until they are ready, and changes nothing else."""
    coverage = covered(*rules)
    assert coverage.ours
    assert OURS == coverage.ours["spec"]["trafficPolicy"]
    assert () == coverage.advice


def test_the_rule_goes_with_its_traffic_hold():
    """The API server deletes it with its owner, whether Layby runs or not."""
    item = covered().ours
    assert item
    (owner,) = item["metadata"]["ownerReferences"]
    assert ("TrafficHold", "cart", "uid-of-cart") == (owner["kind"], owner["name"], owner["uid"])
    assert is_ours(Rule.read(item, MESH), OWNER)
    assert not is_ours(Rule.read(item, MESH), Owner("cart", "another"))
    assert name_of("cart") == item["metadata"]["name"]
    assert "cart.shop.svc.cluster.local" == item["spec"]["host"]


def test_our_own_rule_is_not_taken_for_a_user_s():
    """On the next look there is one, and the plan must be the same."""
    assert covered() == covered(ours())


def test_beside_subsets_ours_is_exported_as_theirs_is():
    """Rules of another exportTo are not merged: the subsets would be gone."""
    coverage = covered(read_rule(spec={"subsets": SUBSETS, "exportTo": ["*"]}))
    assert coverage.ours
    assert ["*"] == coverage.ours["spec"]["exportTo"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # The user's own policy for the host: it would be merged, but one of the two be ignored.
        ([with_policy("mine", POOL)], {"shop/mine": {"trafficPolicy": OURS}}),
        ([with_policy("mine", {})], {"shop/mine": {"trafficPolicy": OURS}}),
        # A wildcard's settings would be lost to an exact host.
        ([with_policy("mine", MTLS, host="*")], {"shop/mine": {"trafficPolicy": OURS}}),
        (
            [read_rule("w", host="*", spec={"subsets": SUBSETS})],
            {"shop/w": {"trafficPolicy": OURS}},
        ),
        # And so would those of the whole mesh.
        (
            [with_policy("all", MTLS, namespace="istio-system", host="*.local")],
            {"istio-system/all": {"trafficPolicy": OURS}},
        ),
        # Where there is outlier detection already, only one line is missing.
        (
            [with_policy("mine", {"outlierDetection": {"consecutive5xxErrors": 3}})],
            {"shop/mine": {"trafficPolicy": HELD}},
        ),
        (
            [with_policy("mine", {"loadBalancer": {"localityLbSetting": {"enabled": True}}})],
            {"shop/mine": {"trafficPolicy": {"outlierDetection": OURS["outlierDetection"]}}},
        ),
        # The settings of a port inherit nothing.
        (
            [with_policy("mine", {**HELD, "portLevelSettings": [{"port": {"number": 80}}]})],
            {
                "shop/mine": {
                    "trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}, **OURS}]}
                }
            },
        ),
        # A subset's own outlier detection replaces the one above it; without one it inherits.
        (
            [
                with_policy(
                    "mine",
                    HELD,
                    spec={
                        "subsets": [
                            {"name": "v1", "trafficPolicy": POOL},
                            {"name": "v2", "trafficPolicy": {"outlierDetection": {}}},
                        ]
                    },
                )
            ],
            {"shop/mine": {"subsets": [{"name": "v2", "trafficPolicy": HELD}]}},
        ),
        # Of two that are merged the older one's policy counts.
        (
            [
                with_policy("new", HELD),
                with_policy("old", POOL, creationTimestamp="2025-01-01T00:00:00Z"),
            ],
            {"shop/old": {"trafficPolicy": OURS}},
        ),
        (
            [
                with_policy("new", POOL),
                with_policy("old", HELD, creationTimestamp="2025-01-01T00:00:00Z"),
            ],
            {},
        ),
        ([with_policy("mine", HELD)], {}),
        ([with_policy("all", HELD, namespace="istio-system", host="*.local")], {}),
    ],
)
def test_a_user_s_own_rule_is_never_touched(rules, expected):
    """They are told what to add, to the letter; where nothing is missing, nothing is said."""
    coverage = covered(*rules)
    assert coverage.ours is None
    assert {name: {"spec": spec} for name, spec in expected.items()} == added(coverage)


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ([with_policy("theirs", POOL, namespace="web")], ["web/theirs"]),
        ([with_policy("some", POOL, spec=SOME)], ["shop/some"]),
        (
            [with_policy("gateways", POOL, namespace="istio-system", spec={"exportTo": ["."]})],
            ["istio-system/gateways"],
        ),
        (
            [
                read_rule(
                    "mine",
                    spec={"subsets": [{"name": "v", "trafficPolicy": {"outlierDetection": {}}}]},
                )
            ],
            ["shop/mine"],
        ),
    ],
)
def test_rules_beside_which_ours_stays_are_told_of_too(rules, named):
    """Requests of those callers get 503 while a pod starts."""
    coverage = covered(*rules)
    assert coverage.ours
    assert named == list(added(coverage))


def test_a_rule_that_is_fit_but_for_some_callers_has_to_be_exported():
    """Ours beside it would take its place for those who have it."""
    coverage = covered(with_policy("mine", HELD, spec={"exportTo": ["."]}))
    assert coverage.ours is None
    assert ("export DestinationRule mine to all namespaces (spec.exportTo: ['*'])",) == (
        coverage.advice
    )


def test_many_rules_are_not_all_spelled_out():
    """A condition is to be read."""
    rules = [with_policy("r", POOL, namespace=f"web{n}") for n in range(9)]
    advice = covered(*rules).advice
    assert 4 == len(advice)
    assert "the same for 6 more DestinationRules of this host" == advice[-1]


def test_no_rule_helps_a_service_whose_endpoints_are_always_sent():
    """The Service has to change, and the rule would only be in the way."""
    coverage = covered(service=read_service(trafficDistribution="PreferClose"))
    assert coverage.ours is None
    assert "take spec.trafficDistribution out of Service cart" in coverage.advice[0]


def test_where_istiod_leaves_them_out_itself_there_is_nothing_to_do():
    """Before 1.31 it did, and later it can be told to."""
    coverage = covered(with_policy("mine", POOL), mesh=Mesh(sends_unready=False))
    assert (None, ()) == (coverage.ours, coverage.advice)


def test_a_user_s_rule_that_has_our_name_is_left_alone():
    """It is not ours, whatever it is called."""
    coverage = covered(read_rule("layby-cart", host="elsewhere"))
    assert coverage.ours is None
    assert "give it another name" in coverage.advice[0]


def test_the_rule_of_a_traffic_hold_that_is_gone_is_waited_out():
    """The API server is about to delete it, and its deletion is told."""
    old = read_rule("layby-cart", labels={MANAGED_BY: "layby"}, ownerReferences=[{"uid": "old"}])
    coverage = covered(old)
    assert (None, ()) == (coverage.ours, coverage.advice)
