"""Gateway API: an istiod that reads HTTPRoutes makes the same clusters of them."""

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e import layby
from e2e.stack import istiod
from e2e.stack.api import YAML, ApiError
from e2e.stack.binaries import TOOLS
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import PROBE, is_known, reason

WITHIN = 20.0
PORT = 8888
MODULE = "sigs.k8s.io/gateway-api"
API_VERSION = "gateway.networking.k8s.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ENTRY = f"entry.{istiod.NAMESPACE}.svc.cluster.local"


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it, and an istiod that knows Gateway API."""
    define(stack)
    layby.install(stack.api)
    # By default the stack's does without: it would look for kinds that are not there.
    before = stack.istiod._environment
    stack.istiod._environment = {
        **before,
        "PILOT_ENABLE_GATEWAY_API": "true",
        "PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER": "false",
    }
    stack.istiod.restart()
    yield
    stack.istiod._environment = before
    stack.istiod.restart()


def define(stack) -> None:
    """Define Gateway API's kinds, of the release that istiod is built with."""
    found = subprocess.run(
        ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", MODULE],
        cwd=TOOLS / "istio",
        capture_output=True,
        text=True,
        check=False,
    )
    folder = Path(found.stdout.strip()) / "config" / "crd" / "standard"
    if found.returncode or not folder.is_dir():
        pytest.skip(f"no definitions of {MODULE}: {found.stderr}")
    for path in sorted(folder.glob("gateway.networking.k8s.io_*s.yaml")):
        text = path.read_bytes()
        if b"\nkind: CustomResourceDefinition" in text:
            try:
                stack.api.request("POST", DEFINITIONS, text, YAML)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise


def entry(host: str) -> list[dict[str, object]]:
    """Describe a Gateway for the stack's gateway Envoy, which istiod knows by a Service."""
    ports = [{"name": "http", "port": PORT, "targetPort": PORT}]
    listener = {
        "name": "http",
        "port": PORT,
        "protocol": "HTTP",
        "hostname": host,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    metadata = {"name": "entry", "namespace": istiod.NAMESPACE}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": dict(GATEWAY_LABELS), "ports": ports},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "Gateway",
            "metadata": metadata,
            "spec": {
                "gatewayClassName": "istio",
                "addresses": [{"type": "Hostname", "value": ENTRY}],
                "listeners": [listener],
            },
        },
    ]


def http_route(host: str, *services: str) -> dict[str, object]:
    """Describe an HTTPRoute that sends as many requests to each of some services."""
    backends = [{"name": name, "port": 80, "weight": 1} for name in services]
    return {
        "apiVersion": API_VERSION,
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {
            "parentRefs": [{"name": "entry", "namespace": istiod.NAMESPACE}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }


def test_an_http_route_to_sleeping_services_wakes_each_of_them(stack, apply, namespace, host):
    """Whoever writes routes in Gateway API gets no other Layby."""
    fast = {PROBE_PERIOD: "20ms"}
    names = ("blue", "green")
    for name in names:
        apply(
            [
                manifests.deployment(name, annotations=fast),
                manifests.service(name),
                manifests.hold(name, probes=[PROBE]),
            ]
        )
    apply([*entry(host), http_route(host, *names)])
    for name in names:
        assert until(lambda name=name: "Ready" == reason(stack.api, namespace, name), WITHIN)
    assert until(lambda: is_known(stack.gateway, host, port=PORT), WITHIN)
    with ThreadPoolExecutor(20) as threads:
        replies = list(
            threads.map(lambda _: stack.gateway.get(host, port=PORT), range(20), timeout=WITHIN)
        )
    assert Counter({200: 20}) == Counter(reply.status for reply in replies)
    assert set(names) == {reply.json()["pod"].split("-")[0] for reply in replies}
