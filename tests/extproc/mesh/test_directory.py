import pytest

from extproc.core.fallback import Fallback
from extproc.core.probe import ProbeRule
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.mesh.directory import Directory, build, keeping
from extproc.mesh.identity import Destination
from kube.resource import Key, key_of
from tests.extproc.mesh.objects import REFUSED, read_hold, service

CART = Key("shop", "cart")
CART_80 = WorkloadKey("shop", "cart", "cart:80")
CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
HTTP = Destination("shop", "cart", 80)


def made(*holds, services=None) -> Directory:
    """The directory of some holds, with a Service `cart` unless others are given."""
    items = [service()] if services is None else services
    return build(holds, {key_of(item): item for item in items}, "cluster.local")


def test_a_request_is_found_by_the_service_that_it_is_for():
    """Envoy tells the name of a cluster, and nothing else."""
    directory = made(read_hold())
    assert CART_80 == directory.find(CLUSTER)
    assert directory.find("outbound|81||cart.shop.svc.cluster.local") is None
    assert directory.find("outbound|80||cart.other.svc.cluster.local") is None
    assert directory.find("PassthroughCluster") is None


def test_nothing_is_in_an_empty_one():
    """As it is until everything has been listed."""
    directory = Directory("cluster.local")
    assert directory.find(CLUSTER) is None
    assert [] == directory.of_service(CART)
    assert [] == directory.of_hold(CART)


def test_each_port_is_a_workload_of_its_own():
    """A pod may be ready on one port; Envoy has a cluster for each."""
    directory = made(read_hold(), services=[service(ports=[("http", 80), (None, 9000)])])
    keys = [CART_80, WorkloadKey("shop", "cart", "cart:9000")]
    places = [HTTP, Destination("shop", "cart", 9000)]
    assert keys == directory.of_hold(CART)
    assert places == directory.of_service(CART)
    assert dict(zip(places, keys, strict=True)) == directory.keys
    assert {places[0]: "http", places[1]: ""} == directory.port_names


def test_ports_that_are_not_tcp_are_left_out():
    """No HTTP goes there, or none that a hold filter sees."""
    item = {"metadata": {}, "spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 80}]}}
    directory = build([read_hold()], {CART: item}, "cluster.local")
    assert [HTTP] == directory.of_service(CART)


def test_a_hold_has_as_many_services_as_lead_to_it():
    """They wake the same workload."""
    directory = made(read_hold(services=("cart", "till")), services=[service(), service("till")])
    assert [CART_80, WorkloadKey("shop", "cart", "till:80")] == directory.of_hold(CART)
    assert directory.find("outbound|80||till.shop.svc.cluster.local")


def test_what_the_controller_found_comes_before_what_is_listed():
    """It has looked whether they are fit for it."""
    found = {"services": [{"name": "till"}]}
    hold = read_hold(status=found)
    assert [Key("shop", "till")] == list(
        made(hold, services=[service(), service("till")]).by_service
    )


def test_a_hold_without_services_waits_for_the_controller_to_find_some():
    """Nothing is held until then, and nothing fails."""
    directory = made(read_hold(services=()))
    assert {} == directory.workloads
    assert {CART} == set(directory.holds)


@pytest.mark.parametrize("services", [[], [service("till")], [service(namespace="other")]])
def test_a_service_that_is_not_there_yet_is_left_out(services):
    """It is looked at again when it comes."""
    directory = made(read_hold(), services=services)
    assert {} == directory.workloads
    assert {} == directory.by_service


def test_a_hold_that_is_refused_holds_nothing():
    """Its requests go where they would without Layby."""
    directory = made(read_hold(status=REFUSED))
    assert {} == directory.workloads
    assert {} == directory.holds


def refused(reason):
    """The status of a hold that is refused."""
    (condition,) = REFUSED["conditions"]
    return {"services": [{"name": "cart"}], "conditions": [{**condition, "reason": reason}]}


@pytest.mark.parametrize("reason", ["TargetNotFound", "ServiceNotFound"])
def test_what_is_missing_for_a_moment_is_held_on(reason):
    """Somebody replaces it, and Envoy would answer 503 until it is back."""
    directory = made(read_hold(services=(), status=refused(reason)))
    assert CART_80 == directory.find(CLUSTER)
    assert {CART} == set(directory.holds)


@pytest.mark.parametrize("missing_first", [True, False])
def test_a_missing_target_has_nothing_of_what_another_holds(missing_first):
    """It may have been renamed, and nobody deleted its hold."""
    missing = read_hold("old", services=("cart",), status=refused("TargetNotFound"))
    holds = (missing, read_hold()) if missing_first else (read_hold(), missing)
    directory = made(*holds)
    assert CART_80 == directory.find(CLUSTER)
    assert [HTTP] == directory.of_service(CART)
    assert [] == directory.of_hold(Key("shop", "old"))


def test_requests_of_a_dry_run_are_known_and_not_held():
    """They are counted, and nobody may put to sleep what nobody holds."""
    directory = made(read_hold(dryRun=True))
    assert CART_80 == directory.find(CLUSTER)
    assert directory.workloads[CART_80].rehearsed
    assert {} == directory.holds
    assert not directory.is_held(CART_80)


def test_whoever_waits_when_a_dry_run_begins_goes_on_waiting():
    """It is woken for them, and until then it would be a 503."""
    new, old = made(read_hold(dryRun=True)), made(read_hold())
    kept = keeping(new, old, [CART_80])
    assert not kept.workloads[CART_80].rehearsed
    assert [HTTP] == kept.of_service(CART)
    assert new is keeping(new, kept, [])
    assert new is keeping(new, new, [CART_80])


def test_the_spec_says_how_requests_are_held():
    """All that the hold queue needs, in its own words."""
    hold = read_hold(
        hold={"timeout": "90s", "maxPending": 7},
        release={"perSecond": 5},
        probes=[{"path": "/healthz", "method": "GET", "status": 204}],
    )
    how = Hold(timeout=90.0, max_pending=7, release_rate=5)
    probe = ProbeRule("/healthz", None, "GET", 204)
    assert {CART_80: Workload(CART_80, how, (probe,))} == made(hold).workloads


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Fallback()),
        ({"retryAfter": "2m"}, Fallback(retry_after=120.0)),
        (
            {"redirect": "https://status.example/cart", "retryAfter": "1s"},
            Fallback(retry_after=1.0, redirect="https://status.example/cart"),
        ),
        ({"body": "Back soon."}, Fallback(body="Back soon.")),
        (
            {"body": "<p>Back soon.", "contentType": "text/html"},
            Fallback(body="<p>Back soon.", content_type="text/html"),
        ),
    ],
    ids=["nothing", "a time", "a redirect", "a line", "a page"],
)
def test_the_spec_says_what_a_client_is_told(spec, expected):
    """Who wrote it expects to read it when it matters."""
    (workload,) = made(read_hold(hold={"fallback": spec})).workloads.values()
    assert expected == workload.hold.fallback


def test_what_somebody_waits_for_is_kept_when_its_hold_goes():
    """Its endpoints are on their way, and the request with them."""
    old, new = made(read_hold()), made()
    kept = keeping(new, old, [CART_80])
    assert old.workloads == kept.workloads
    assert old.keys == kept.keys
    assert old.port_names == kept.port_names
    assert [HTTP] == kept.of_service(CART)
    assert {} == kept.holds, "it is not woken again"
    assert {} == new.workloads, "snapshots are not changed"


def test_a_port_is_kept_beside_those_that_stay():
    """A Service may lose one of two."""
    old = made(read_hold(), services=[service(ports=[("http", 80), ("admin", 81)])])
    new = made(read_hold())
    admin = WorkloadKey("shop", "cart", "cart:81")
    kept = keeping(new, old, [CART_80, admin])
    assert {CART_80, admin} == set(kept.workloads)
    assert [HTTP, Destination("shop", "cart", 81)] == kept.of_service(CART)
    assert [HTTP] == new.of_service(CART)


@pytest.mark.parametrize("lingering", [[], [CART_80], [WorkloadKey("shop", "gone", "gone:80")]])
def test_without_anybody_who_waits_for_what_is_gone_nothing_is_kept(lingering):
    """The common case costs nothing."""
    new = made(read_hold())
    assert new is keeping(new, made(read_hold()), lingering)


def test_a_place_that_another_hold_has_taken_is_not_kept():
    """Its requests are the other's now."""
    other = made(read_hold("other", services=("cart",)))
    kept = keeping(other, made(read_hold()), [CART_80])
    assert other.keys == kept.keys
    assert other.workloads == kept.workloads


def test_what_had_lost_its_place_before_is_not_kept_either():
    """Two holds claim a Service for as long as the controller has not refused one of them."""
    both = made(read_hold(), read_hold("other", services=("cart",)))
    assert {HTTP: WorkloadKey("shop", "other", "cart:80")} == both.keys
    other = made(read_hold("other", services=("cart",)))
    assert other.workloads == keeping(other, both, [CART_80]).workloads
