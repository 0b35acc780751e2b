"""The ways that lead to a sleeping workload: chains, weights, subsets, ports."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from e2e import layby
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import PROBE, is_known, reason

WITHIN = 20.0
FAST = {PROBE_PERIOD: "20ms"}
SECOND, SECOND_TARGET = 8080, 9090


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def named(namespace):
    """The name of a Service of the test's in the mesh."""
    return lambda name: f"{name}.{namespace}.svc.cluster.local"


@pytest.fixture
def opened(stack, apply, host):
    """Have the gateway take requests for the test's host, and send them where a route says."""

    def do(route):
        apply([manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address), route])
        assert until(lambda: stack.gateway.get(host, "/known").status in {200, 204}, WITHIN)

    return do


@pytest.fixture
def held(stack, apply, namespace, named):
    """Have Deployments held, of which nothing runs; all know of it on return."""

    def do(*names, deployment=None, service=None, **spec):
        for name in names:
            apply(
                [
                    deployment or manifests.deployment(name, annotations=FAST),
                    service or manifests.service(name),
                    manifests.hold(name, probes=[PROBE], **spec),
                ]
            )
        for name in names:
            assert until(lambda name=name: "Ready" == reason(stack.api, namespace, name), WITHIN)
            assert until(lambda name=name: is_known(stack.caller, named(name)), WITHIN)

    return do


def running(pods) -> set[str]:
    """The workloads that have pods."""
    return {pod["metadata"]["labels"]["app"] for pod in pods()}


def test_a_chain_of_sleeping_services_is_woken_by_one_request(
    stack, held, opened, pods, host, named
):
    """Each call is held at its own caller, while the calls before it wait."""
    held("a", "b", "c")
    opened(manifests.route("web", host, named("a"), "web"))
    assert not pods()

    def call(name: str, path: str = "/") -> str:
        return f"/call?url={quote(f'http://{stack.caller.address}{path}#{named(name)}', safe='')}"

    reply = stack.gateway.get(host, call("b", call("c")))
    assert 200 == reply.status, reply
    assert reply.json()["told"]["told"]["pod"].startswith("c-")
    assert {"a", "b", "c"} == running(pods)


def test_a_route_to_a_warm_and_a_cold_service_loses_nothing(
    stack, apply, held, opened, host, named
):
    """A canary that sleeps must not cost its share of the requests."""
    held("cold")
    apply([manifests.deployment("warm", replicas=1), manifests.service("warm")])
    assert until(lambda: 200 == stack.caller.get(named("warm")).status, WITHIN)
    both = [{"host": named(name), "port": {"number": 80}} for name in ("warm", "cold")]
    opened(manifests.split("web", host, "web", both))
    replies = at_once(40, lambda: stack.gateway.get(host))
    assert Counter({200: 40}) == Counter(reply.status for reply in replies)
    assert {"warm", "cold"} == {reply.json()["pod"].split("-")[0] for reply in replies}


def test_subsets_lead_to_the_workload_that_is_behind_them(stack, apply, held, opened, host, named):
    """The user's own DestinationRule stays; ours adds to it what it says nothing about."""
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web"},
        "spec": {
            "host": named("web"),
            "subsets": [{"name": "all"}, {"name": "app", "labels": {"app": "web"}}],
        },
    }
    apply(rule)
    held("web", deployment=manifests.deployment("web", "--delay", "1", annotations=FAST))
    subsets = [
        {"host": named("web"), "port": {"number": 80}, "subset": name} for name in ("all", "app")
    ]
    opened(manifests.split("web", host, "web", subsets))
    replies = at_once(20, lambda: stack.gateway.get(host))
    assert Counter({200: 20}) == Counter(reply.status for reply in replies)
    for name in ("all", "app"):
        assert stack.gateway.endpoints(f"outbound|80|{name}|{named('web')}")


def test_each_port_of_a_service_is_held_and_wakes(stack, held, pods, namespace, named):
    """Envoy has a cluster for each, by number; slices know them by name, with other numbers."""
    deployment = manifests.deployment("web", "--also", str(SECOND_TARGET), annotations=FAST)
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container["ports"].append({"name": "second", "containerPort": SECOND_TARGET})
    service = manifests.service("web")
    service["spec"]["ports"].append(
        {"name": "other", "port": SECOND, "targetPort": SECOND_TARGET, "appProtocol": "http"}
    )
    held("web", deployment=deployment, service=service)
    host = named("web")
    reply = stack.caller.get(host, port=SECOND)
    assert (200, str(SECOND_TARGET)) == (reply.status, reply.headers["x-port"])
    stack.api.scale("web", 0, namespace)
    assert until(lambda: not pods(), WITHIN)
    clusters = [f"outbound|{port}||{host}" for port in (80, SECOND)]
    assert until(lambda: not any(map(stack.caller.endpoints, clusters)), WITHIN)
    with ThreadPoolExecutor() as threads:
        replies = list(threads.map(lambda port: stack.caller.get(host, port=port), (80, SECOND)))
    assert [200, 200] == [reply.status for reply in replies]
    ports = [reply.headers["x-port"] for reply in replies]
    assert [str(manifests.PORT), str(SECOND_TARGET)] == ports


def at_once(count: int, ask):
    """Ask so many times at once."""
    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(ask) for _ in range(count)]]
