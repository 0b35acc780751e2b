"""The playground: its manifests as they are, and services of our own in place of its images."""

import sys
from collections.abc import Iterator

import pytest
import yaml

from e2e import layby
from e2e.stack.api import APPLY, Manifest, parse
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import CALLER_NAMESPACE, EGRESS
from e2e.workloads.bookinfo import SIGNED_IN
from e2e.workloads.held import PROBE, is_known, reason

WITHIN = 20.0
PLAYGROUND = layby.ROOT / "playground"
PORT = 9080
ASKS = {
    "productpage-v1": ("details", "reviews"),
    "reviews-v2": ("ratings",),
    "reviews-v3": ("ratings",),
}
"""Which services each workload asks, as those of the sample do."""
WOKEN = {"productpage-v1", "details-v1", "reviews-v2", "ratings-v1"}
"""By somebody who is not signed in."""
AS_MADE, WOKEN_AND_ASLEEP = 1, 3
"""Generations of a Deployment: each change of its replicas is one more."""


def documents(path: str) -> list[Manifest]:
    """Read a file of the playground."""
    return [each for each in yaml.safe_load_all((PLAYGROUND / path).read_text()) if each]


FILES = [
    path
    for path in sorted(str(each.relative_to(PLAYGROUND)) for each in PLAYGROUND.rglob("*.yaml"))
    if "kind" in documents(path)[0]  # the others are values of charts
]


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture(scope="module")
def sidecar(stack):
    """The sidecar of all services of Bookinfo, which shows those of Bookinfo's port too."""
    caller = stack.add_caller("bookinfo", {**EGRESS, PORT: "HTTP"})
    yield caller
    stack.remove(caller)
    resource = stack.api.get("networking.istio.io/v1", "Sidecar", "bookinfo", CALLER_NAMESPACE)
    stack.api.delete([resource])


@pytest.fixture
def bookinfo(stack, apply, namespace, sidecar):
    """Have Bookinfo asleep, held by what a file of the playground says; all know it on return."""

    def do(holds: str, **spec) -> list[str]:
        [named] = documents("bookinfo/namespace.yaml")
        labels = {"labels": {"playground": named["metadata"]["labels"]["playground"]}}
        stack.api.patch(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {"metadata": labels},
        )
        services = documents("bookinfo/services.yaml")
        workloads = [each["metadata"]["name"] for each in services if each["kind"] == "Deployment"]
        apply([asleep(each, namespace, sidecar.address) for each in services])
        entrance = documents("bookinfo/gateway.yaml")
        apply([bound(each, stack.gateway.address) for each in entrance])
        apply([hasty(each, **spec) for each in documents(f"bookinfo/{holds}")])
        for name in workloads:
            assert until(lambda name=name: is_ready(stack.api, namespace, name), WITHIN), name
        for name in workloads:
            service = name if name.startswith("reviews-") else name.removesuffix("-v1")
            host = f"{service}.{namespace}.svc.cluster.local"
            assert until(lambda host=host: is_known(sidecar, host, port=PORT), WITHIN), host
        for envoy, service in ((stack.gateway, "productpage"), (sidecar, "reviews-v2")):
            wanted = f'"{cluster(service, namespace)}"'
            assert until(lambda e=envoy, w=wanted: w in routes(e), WITHIN), wanted
        return workloads

    return do


def asleep(manifest: Manifest, namespace: str, sidecar: str) -> Manifest:
    """Have a Deployment run a service of ours, and nothing of it yet.

    The process kubelet runs commands, and has no volumes; all pods share one sidecar.
    """
    if manifest["kind"] == "Deployment":
        name = manifest["metadata"]["name"]
        manifest["spec"]["replicas"] = 0
        template = manifest["spec"]["template"]
        template["metadata"]["annotations"] = {PROBE_PERIOD: "20ms"}
        pod = template["spec"]
        pod.pop("volumes", None)
        pod["automountServiceAccountToken"] = False
        [container] = pod["containers"]
        container.pop("volumeMounts", None)
        hosts = [f"{each}.{namespace}.svc.cluster.local" for each in ASKS.get(name, ())]
        container["command"] = [sys.executable, "-m", "e2e.workloads.bookinfo", name, *hosts]
        container["command"] += ["--sidecar", sidecar]
    return manifest


def bound(manifest: Manifest, address: str) -> Manifest:
    """Have a Gateway listen at its Envoy's address alone: all Envoys share a machine."""
    if manifest["kind"] == "Gateway":
        for server in manifest["spec"]["servers"]:
            server["bind"] = address
    return manifest


def hasty(manifest: Manifest, *, after: str) -> Manifest:
    """Have a TrafficHold or a HoldPolicy idle sooner, and show which Envoys and servers know it."""
    spec = manifest["spec"]
    held = spec["template"]["spec"] if manifest["kind"] == "HoldPolicy" else spec
    held["idle"] = {"after": after}
    held["probes"] = [PROBE]
    return manifest


def is_ready(api, namespace: str, name: str) -> bool:
    """Whether there is a TrafficHold of that name, and it works."""
    holds = api.items("layby.dev/v1alpha1", "TrafficHold", namespace)
    return name in {each["metadata"]["name"] for each in holds} and "Ready" == reason(
        api, namespace, name
    )


def cluster(service: str, namespace: str) -> str:
    """An Envoy's name for a Service."""
    return f"outbound|{PORT}||{service}.{namespace}.svc.cluster.local"


def routes(envoy) -> str:
    """Where an Envoy sends requests."""
    return envoy.ask("/config_dump?resource=dynamic_route_configs")


def generations(api, namespace: str) -> dict[str, int]:
    """How often each Deployment's spec has been written."""
    items = api.items("apps/v1", "Deployment", namespace)
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in items}


def page(stack, user: str = "") -> list[str]:
    """Ask for the page as somebody who is signed in, or not; return the services in it."""
    headers = {SIGNED_IN: user} if user else {}
    reply = stack.gateway.get("bookinfo.example", "/productpage", headers=headers)
    assert 200 == reply.status, reply
    return list(parts(reply.json()))


def parts(told: Manifest) -> Iterator[str]:
    """The services in an answer."""
    yield told["service"]
    for value in told.values():
        if isinstance(value, dict):
            yield from parts(value)


@pytest.mark.parametrize(
    ("holds", "after"), [("policy.yaml", "10s"), ("holds.yaml", "2s")], ids=["policy", "holds"]
)
def test_one_request_wakes_the_chain_once_and_all_of_it_sleeps_again(
    stack, sidecar, bookinfo, pods, namespace, holds, after
):
    """What the playground promises, by each of the two ways that it shows."""
    workloads = bookinfo(holds, after=after)
    assert not pods()
    assert sorted(WOKEN) == sorted(page(stack))
    # Services of ours end at once: what an Envoy sends to one that ends is lost.
    asked = [(sidecar, service) for service in ("details", "reviews-v2", "ratings")]
    asked.append((stack.gateway, "productpage"))

    def all_asleep() -> bool:
        return not pods() and not any(
            envoy.endpoints(cluster(service, namespace)) for envoy, service in asked
        )

    assert until(all_asleep, 2 * WITHIN), generations(stack.api, namespace)
    expected = {name: WOKEN_AND_ASLEEP if name in WOKEN else AS_MADE for name in workloads}
    assert expected == generations(stack.api, namespace)
    # Only who is signed in so is shown another version, which has slept until now.
    assert sorted({*WOKEN, "reviews-v3"} - {"reviews-v2"}) == sorted(page(stack, user="jason"))


@pytest.mark.parametrize("path", FILES)
def test_the_api_server_takes_each_manifest(stack, namespace, path):
    """Whoever runs up.sh must not be the first to hear of a misspelt field."""
    for manifest in parse(documents(path), namespace):
        stack.api.request(
            "PATCH",
            stack.api.path(manifest),
            manifest,
            APPLY,
            fieldManager="playground",
            dryRun="All",
            fieldValidation="Strict",
        )
