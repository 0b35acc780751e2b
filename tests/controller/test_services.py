import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.services import (
    ADDED_LABELS,
    Problem,
    Service,
    by_selector,
    found,
    named,
    selects,
    trim,
)
from tests.controller.objects import POD, read_service, service

HEADLESS = {"clusterIP": "None"}
EXTERNAL = {"type": "ExternalName", "externalName": "cart.example"}


def names(leading):
    return [each.name for each in leading.services]


def problems(troubles):
    return [(each.problem, each.service) for each in troubles]


@pytest.mark.parametrize(
    ("services", "held", "troubles", "skipped"),
    [
        ([service()], ["cart"], [], []),
        ([service("b", selector=POD), service("a", selector=POD)], ["a", "b"], [], []),
        ([service(), service("peers", selector=POD, **HEADLESS)], ["cart"], [], [Problem.HEADLESS]),
        ([service("peers", selector=POD, **HEADLESS)], [], [Problem.HEADLESS], []),
        (
            [service("db", selector=POD, ports=[{"name": "tcp-sql", "port": 1}])],
            [],
            ["NotHTTP"],
            [],
        ),
        ([service(selector={"app": "cart", "tier": "web"})], [], [Problem.NO_SERVICE], []),
        ([service(selector={})], [], [Problem.NO_SERVICE], []),
        ([service("other")], [], [Problem.NO_SERVICE], []),
        ([], [], [Problem.NO_SERVICE], []),
    ],
)
def test_services_are_found_by_the_labels_of_the_pods(services, held, troubles, skipped):
    """One that can be held is enough; a StatefulSet has a headless one beside it."""
    leading = found([Service.read(each) for each in services], POD)
    assert held == names(leading)
    assert troubles == [each.problem for each in leading.troubles]
    assert skipped == [each.problem for each in leading.skipped]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (service(), None),
        (None, Problem.SERVICE_NOT_FOUND),
        (service(selector={}), Problem.SERVICE_WITHOUT_SELECTOR),
        (service(**EXTERNAL), Problem.EXTERNAL_NAME),
        (service(selector={}, **EXTERNAL), Problem.EXTERNAL_NAME),
        (service(**HEADLESS), Problem.HEADLESS),
        (service(ports=[{"name": "tls", "port": 443}]), Problem.NOT_HTTP),
        (service(selector={"app": "till"}), Problem.OTHER_PODS),
    ],
)
def test_each_service_that_is_named_has_to_be_fit(item, problem):
    """Whoever names one relies on it; the message says which of them is not, and why."""
    services = {"cart": Service.read(item)} if item else {}
    leading = named(["cart"], services, POD)
    assert ([] if problem else ["cart"]) == names(leading)
    assert ([(problem, "cart")] if problem else []) == problems(leading.troubles)
    assert all("cart" in str(trouble) for trouble in leading.troubles)


def test_a_named_service_is_taken_at_its_word_if_the_pods_labels_are_not_known():
    """A kind of one's own may have no template to look into."""
    assert ["cart"] == names(named(["cart"], {"cart": read_service()}, None))


def test_labels_that_controllers_add_to_pods_do_not_count():
    """An Argo Rollout puts its hash into its Services' selectors, and not into its template."""
    stable = service(selector={"app": "cart", "rollouts-pod-template-hash": "7d9"})
    assert ["cart"] == names(found([Service.read(stable)], POD))


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80}, True),
        ({"name": "http", "port": 1}, True),
        ({"name": "HTTP-web", "port": 1}, True),
        ({"name": "grpc-web", "port": 1}, True),
        ({"name": "grpc", "port": 1}, True),
        ({"name": "web", "port": 1}, True),
        ({"name": "tcp-x", "port": 80}, False),
        ({"name": "https", "port": 443}, False),
        ({"name": "http", "port": 80, "protocol": "UDP"}, False),
        ({"name": "tcp-x", "port": 80, "appProtocol": "http"}, True),
        ({"name": "http", "port": 80, "appProtocol": "tcp"}, False),
        ({"port": 80, "appProtocol": "kubernetes.io/h2c"}, True),
        ({"port": 80, "appProtocol": "kubernetes.io/wss"}, False),
        ({"name": "postgres", "port": 5432}, False),
        ({"name": "http-admin", "port": 5432}, True),
    ],
)
def test_ports_are_taken_for_what_istiod_takes_them_for(port, expected):
    """Of a port that is not HTTP Envoy sees connections, which wake nothing."""
    assert expected is read_service(ports=[{"name": "x", **port}]).speaks_http


@pytest.mark.parametrize(
    ("item", "inherited", "expected"),
    [
        (service(), None, ""),
        (service(trafficDistribution="PreferClose"), None, "spec.trafficDistribution"),
        (service(publishNotReadyAddresses=True), None, "spec.publishNotReadyAddresses"),
        (
            service(annotations={"networking.istio.io/traffic-distribution": "PreferClose"}),
            None,
            "the annotation networking.istio.io/traffic-distribution",
        ),
        (
            service(),
            {"networking.istio.io/traffic-distribution": "prefersamezone"},
            "the namespace's annotation networking.istio.io/traffic-distribution",
        ),
        (
            service(annotations={"networking.istio.io/traffic-distribution": "any"}),
            {"networking.istio.io/traffic-distribution": "prefersamezone"},
            "",
        ),
    ],
)
def test_it_is_known_what_makes_istiod_send_endpoints_that_are_not_ready(item, inherited, expected):
    """No DestinationRule helps then, and the user has to know which field it is."""
    assert expected == Service.read(item, inherited).shows_unready


def test_trimming_changes_nothing_that_is_read():
    """What is left out to save memory must not be missed."""
    items = [
        service(),
        service(trafficDistribution="PreferClose", publishNotReadyAddresses=True, **HEADLESS),
        service(annotations={"networking.istio.io/traffic-distribution": "PreferClose", "a": "b"}),
        service(
            ports=[{"name": "x", "port": 1, "appProtocol": "tcp", "nodePort": 30000}], **EXTERNAL
        ),
    ]
    assert [Service.read(item) for item in items] == [Service.read(trim(item)) for item in items]
    assert "nodePort" not in trim(items[-1])["spec"]["ports"][0]


LABELS = st.dictionaries(
    st.sampled_from(["app", "tier", "zone", *sorted(ADDED_LABELS)]), st.sampled_from("ab")
)


@given(LABELS, LABELS)
def test_the_index_finds_every_service_that_selects_a_pod(selector, labels):
    """One that it did not find would not be held, and nobody would know why."""
    item = service(selector=selector)
    if selects(Service.read(item).selector, labels):
        assert any(("shop", *pair) in by_selector(item) for pair in labels.items())
