"""What cannot be held: it is said so, and nobody waits in vain."""

import subprocess

import pytest

from e2e import layby
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import CALLER_NAMESPACE, GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import PROBE, is_known, reason

WITHIN = 20.0
FAST = {PROBE_PERIOD: "20ms"}
HOLD_SERVERS = f"layby-extproc.{layby.NAMESPACE}.svc.cluster.local"


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def narrow(stack, namespace):
    """A caller whose Sidecar resource shows it the test's namespace alone, and how to widen it."""
    caller = stack.add_caller("narrow")
    sidecar = stack.api.get("networking.istio.io/v1", "Sidecar", "narrow", CALLER_NAMESPACE)

    def show(*namespaces: str) -> None:
        egress = [
            {**listener, "hosts": [f"{name}/*" for name in namespaces]}
            for listener in sidecar["spec"]["egress"]
        ]
        stack.api.patch(sidecar, {"spec": {"egress": egress}})

    show(namespace)
    yield caller, show
    stack.remove(caller)
    stack.api.delete([sidecar])


def test_a_sidecar_resource_that_hides_layby_is_named_with_what_to_do(
    stack, apply, narrow, namespace, service
):
    """Its caller gets what it would get without Layby, at once; somebody has to be told why."""
    caller, show = narrow
    apply(
        [
            manifests.deployment("web", annotations=FAST),
            manifests.service("web"),
            manifests.hold("web", probes=[PROBE]),
        ]
    )
    assert until(lambda: is_known(stack.caller, service), WITHIN)
    assert until(lambda: {service} == shown(caller) & {service, HOLD_SERVERS}, WITHIN)
    assert until(lambda: 503 == caller.get(service).status, WITHIN)
    reply = caller.get(service)
    assert (503, False) == (reply.status, "x-layby-reason" in reply.headers)
    assert reply.seconds < 1
    look_again(stack)
    assert until(
        lambda: "HoldServerHidden" == reason(stack.api, namespace, kind="Attached"), WITHIN
    )
    code, text = explained(stack, namespace)
    assert code == 1
    assert "HoldServerHidden: list the namespace of Layby in spec.egress.hosts" in text
    assert f"narrow.{CALLER_NAMESPACE}" in text

    show(namespace, layby.NAMESPACE)
    assert until(lambda: is_known(caller, service), WITHIN)
    assert 200 == caller.get(service).status
    assert until(lambda: "Attached" == reason(stack.api, namespace, kind="Attached"), WITHIN)


def shown(envoy) -> set[str]:
    """The hosts that an Envoy has clusters for."""
    return {line.partition("::")[0].rpartition("|")[2] for line in envoy.ask("/clusters").split()}


def look_again(stack) -> None:
    """Have the controller ask istiod now, as it does whenever it applies its EnvoyFilter."""
    key = ("networking.istio.io/v1alpha3", "EnvoyFilter", "layby", "istio-system")
    mark = {"metadata": {"annotations": {"layby.dev/applied": None}}}
    stack.api.patch(stack.api.get(*key), mark)


def explained(stack, namespace: str) -> tuple[int, str]:
    """What `layby explain web` says."""
    words = ("explain", "web", "-n", namespace, "--kubeconfig", str(stack.kubeconfig))
    done = subprocess.run(
        [*layby.COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=layby.ROOT,
    )
    return done.returncode, done.stdout + done.stderr


def asked(envoy) -> int:
    """How many requests an Envoy has ever taken to hold servers."""
    return sum(envoy.stats("ext_proc.*streams_started").values())


def test_a_headless_service_is_left_alone_and_stalls_nobody(stack, apply, namespace, host, service):
    """A sidecar's cluster for it never has an endpoint to count: each call asks, none may wait."""
    headless = manifests.service("web")
    headless["spec"]["clusterIP"] = "None"
    apply(
        [
            manifests.deployment("web", replicas=1, annotations=FAST),
            headless,
            manifests.hold("web"),
            manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
            manifests.route("web", host, service, "web"),
        ]
    )
    assert until(
        lambda: "ServiceUnsupported" == reason(stack.api, namespace, kind="Accepted"), WITHIN
    )
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    before = asked(stack.gateway)
    assert 200 == stack.gateway.get(host).status
    assert before == asked(stack.gateway)
    before = asked(stack.caller)
    reply = stack.caller.get(service)
    assert before < asked(stack.caller), reply
    assert reply.seconds < 1


def test_a_subset_of_a_service_with_another_workload_behind_it_is_not_said_to_be_held(
    stack, apply, namespace, host, service
):
    """The Service has ready endpoints, the subset of the sleeping one has none."""
    apply(
        [
            version("one", 1),
            version("two", 0),
            manifests.service("web"),
            subset("two", service),
            manifests.hold("two"),
            manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
            manifests.split(
                "web", host, "web", [{"host": service, "port": {"number": 80}, "subset": "two"}]
            ),
        ]
    )
    assert until(lambda: "SubsetNotHeld" == reason(stack.api, namespace, "two", "Attached"), WITHIN)
    # Its requests would find nobody, so that it is woken at once.
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    assert stack.gateway.get(host).json()["pod"].startswith("two-")
    stack.api.scale("one", 0, namespace)
    assert until(lambda: "Attached" == reason(stack.api, namespace, "two", "Attached"), WITHIN)
    stack.api.scale("two", 0, namespace)
    cluster = f"outbound|80|two|{service}"
    assert until(lambda: not stack.gateway.endpoints(cluster), WITHIN)
    assert 200 == stack.gateway.get(host).status


def subset(name: str, host: str) -> manifests.Manifest:
    """Describe a DestinationRule with a subset of the pods of one version."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "versions"},
        "spec": {"host": host, "subsets": [{"name": name, "labels": {"version": name}}]},
    }


def version(name: str, replicas: int) -> manifests.Manifest:
    """Describe a Deployment of pods that a Service `web` selects whatever their version."""
    made = manifests.deployment(name, replicas=replicas, annotations=FAST)
    labels = {"app": "web", "version": name}
    made["spec"]["selector"]["matchLabels"] = labels
    made["spec"]["template"]["metadata"]["labels"] = labels
    return made
