"""KEDA in the stack: what the tests of Layby with KEDA take for granted is so, without Layby."""

import subprocess
import sys

import pytest

from e2e.keda import scene
from e2e.stack import dns
from e2e.stack.api import ApiError
from e2e.stack.keda import DNS
from e2e.stack.keda.scaler import Scaler
from e2e.stack.namespace import HOST
from e2e.stack.processes import until
from e2e.stack.whole import ROOT
from e2e.workloads import manifests

WITHIN = 20.0
"""Seconds that a change may take to get through; the autoscaler looks every two."""
PORT = 9090
pytestmark = pytest.mark.usefixtures("keda")
VERSION = "keda.sh/v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def endpoints(name: str, *addresses: str, ready: bool = True) -> list[dict]:
    """Describe a Service that leads to addresses which are no pods'."""
    ports = [{"name": "grpc", "port": PORT}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses],
            "ports": ports,
        },
    ]


def scaled_object(address: str, name: str = "web") -> dict:
    """Describe a ScaledObject that follows its scaler as fast as KEDA can."""
    at_once = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    made = scene.foreign_scaled_object(name, address)
    made["spec"]["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": at_once}}
    return made


@pytest.fixture
def scaler(apply, namespace, cluster):
    """What KEDA scales `web` by, which is at zero; KEDA finds it by its name."""
    scaler = Scaler()
    with scaler.served(f"{HOST}:{PORT}"):
        apply(endpoints("scaler", HOST))
        apply(manifests.deployment("web"))
        apply(scaled_object(f"scaler.{namespace}.svc:{PORT}"))
        assert until(lambda: is_true(cluster, namespace, "Ready"), WITHIN)
        assert until(lambda: scaler.streams, WITHIN)
        yield scaler


@pytest.fixture
def ready(cluster, namespace):
    """How many pods of `web` are ready, and how many there are to be."""

    def look():
        found = cluster.get("apps/v1", "Deployment", "web", namespace)
        return found["status"].get("readyReplicas", 0), found["spec"]["replicas"]

    return look


def is_true(cluster, namespace: str, condition: str) -> bool:
    """Whether KEDA says so of the ScaledObject."""
    found = cluster.get(VERSION, "ScaledObject", "web", namespace)
    return scene.condition(found, condition).get("status") == "True"


def test_it_is_ready_soon(keda):
    """What takes its time is left out of tests."""
    assert keda.start_seconds < 20


def test_a_workload_goes_up_with_its_demand_and_back_to_zero(scaler, ready):
    """The operator does zero to one, the autoscaler the rest, by metrics from the adapter."""
    assert (0, 0) == ready()
    scaler.push(1)
    assert until(lambda: (1, 1) == ready(), WITHIN)
    scaler.push(3)
    assert until(lambda: (3, 3) == ready(), WITHIN)
    scaler.demand = 0
    assert until(lambda: (0, 0) == ready(), WITHIN)


def test_a_workload_stays_as_it_is_while_keda_is_away(keda, scaler, ready, cluster, namespace):
    """A crash of either half must be something that a test can make, and undo."""
    scaler.push(1)
    assert until(lambda: (1, 1) == ready(), WITHIN)
    keda.adapter.kill()
    keda.operator.kill()
    try:
        scaler.demand = 2
        lost = "FailedGetExternalMetric"
        assert until(lambda: lost in autoscaler_says(cluster, namespace), WITHIN)
        assert (1, 1) == ready()
    finally:
        keda.start()
    assert until(lambda: (2, 2) == ready(), WITHIN)


def autoscaler_says(cluster, namespace: str) -> set[str]:
    """The reasons that the conditions of the HorizontalPodAutoscaler have."""
    found = cluster.get("autoscaling/v2", "HorizontalPodAutoscaler", "keda-hpa-web", namespace)
    return {c["reason"] for c in found.get("status", {}).get("conditions", ())}


@pytest.mark.usefixtures("scaler")
def test_nonsense_is_refused(apply, namespace):
    """Two ScaledObjects of one workload pull it to and fro; only the webhooks know."""
    second = scaled_object(f"scaler.{namespace}.svc:{PORT}")
    second["metadata"] = {"name": "second"}
    with pytest.raises(ApiError, match="admission webhook"):
        apply(second)


def test_it_asks_as_its_own_service_account(stack):
    """As an administrator it could do what its roles do not let it do elsewhere."""
    requests = stack.control_plane.audited("keda-operator", "keda")
    assert "scaledobjects" in {e["objectRef"]["resource"] for e in requests if "objectRef" in e}


def test_a_name_means_the_endpoints_that_are_ready(apply, namespace):
    """KEDA connects to hold servers that come and go by the name of their Service."""
    name = f"scaler.{namespace}.svc.{dns.DOMAIN}"
    assert [] == dns.ask(DNS, name)
    apply(endpoints("scaler", "192.0.2.3", "192.0.2.2"))
    assert ["192.0.2.2", "192.0.2.3"] == dns.ask(DNS, name)
    apply(endpoints("scaler", "192.0.2.3", ready=False))
    assert [] == dns.ask(DNS, name)


def test_names_are_known_while_the_api_server_is_away(keda, stack, apply, namespace):
    """As the cluster's DNS goes on; a hold server must be found then too."""
    name = f"scaler.{namespace}.svc.{dns.DOMAIN}"
    apply(endpoints("scaler", "192.0.2.2"))
    assert ["192.0.2.2"] == dns.ask(DNS, name)
    stack.control_plane.apiserver.kill()
    try:
        assert ["192.0.2.2"] == dns.ask(DNS, name)
    finally:
        stack.control_plane.apiserver.start()
        stack.control_plane.apiserver.wait()
        keda.start()


@pytest.mark.usefixtures("scaler")
@pytest.mark.parametrize("operator", ["alive", "dead"])
def test_nothing_is_left_of_it_when_it_is_removed(keda, cluster, namespace, operator):
    """A finalizer that nobody removes keeps a namespace, and the next test, waiting for ever."""
    assert until(keda.autoscalers, WITHIN)
    if operator == "dead":
        keda.operator.kill()
    keda.remove()
    try:
        defined = cluster.request("GET", DEFINITIONS)["items"]
        assert [] == [d["metadata"]["name"] for d in defined if "keda" in d["spec"]["group"]]
        assert [] == keda.autoscalers()
        groups = cluster.request("GET", "/apis")["groups"]
        assert not [g["name"] for g in groups if g["name"] == "external.metrics.k8s.io"]
        assert cluster.get("apps/v1", "Deployment", "web", namespace)
    finally:
        keda.install()


def test_the_command_starts_a_stack_with_it(tmp_path, kubectl):
    """To look around in, or to try a ScaledObject by hand."""
    folder = str(tmp_path / "stack")

    def command(*words: str) -> str:
        told = subprocess.run(
            [sys.executable, "-m", "e2e.stack", words[0], "--folder", folder, *words[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert 0 == told.returncode, told.stderr
        return told.stdout

    try:
        assert "KEDA        in namespace keda" in command("up", "--keda")
        found = command("exec", str(kubectl), "get", "scaledobjects", "-A", "-o", "name")
        assert "" == found
    finally:
        assert "removed\n" == command("down")
