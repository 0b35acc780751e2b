"""The stack itself: what the tests of Layby take for granted is so."""

import os
import signal
import subprocess
import sys

import pytest

from e2e.stack.api import Api, ApiError
from e2e.stack.detached import Detached
from e2e.stack.istiod import NAMESPACE as ISTIO_NAMESPACE
from e2e.stack.namespace import inhabitants
from e2e.stack.processes import until
from e2e.stack.whole import ROOT
from e2e.workloads import manifests

pytestmark = pytest.mark.kube

WITHIN = 15.0
"""Seconds that a change may take to get through."""


def test_it_is_ready_soon(stack):
    """A stack that takes its time is one that nobody starts."""
    assert stack.start_seconds < 20


def test_a_pod_gets_an_address_an_endpoint_and_requests(
    stack, cluster, namespace, web, host, service
):
    """From Deployment to answer nothing is made up but the container."""
    web()
    cluster.scale("web", 1, namespace)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    assert until(lambda: 200 == stack.caller.get(service).status, WITHIN)
    [pod] = cluster.items("v1", "Pod", namespace)
    address = pod["status"]["podIP"]
    [slice_] = cluster.items("discovery.k8s.io/v1", "EndpointSlice", namespace)
    assert [address] == slice_["endpoints"][0]["addresses"]
    assert pod["metadata"]["name"] == stack.gateway.get(host).json()["pod"]
    cluster_name = f"outbound|80||{service}"
    assert {f"{address}:8080": "healthy"} == stack.gateway.endpoints(cluster_name)


def test_no_pod_is_no_healthy_upstream(stack, cluster, namespace, web, host, service, pods):
    """This is the answer that Layby is to spare the client."""
    web()
    cluster.scale("web", 1, namespace)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    cluster.scale("web", 0, namespace)
    assert until(lambda: not pods(), WITHIN)
    assert until(lambda: {} == stack.gateway.endpoints(f"outbound|80||{service}"), WITHIN)
    for reply in (stack.gateway.get(host), stack.caller.get(service)):
        assert (503, b"no healthy upstream") == (reply.status, reply.body)


def test_another_gateway_has_its_own_address_and_routes(stack, apply, host, service):
    """Attach scope and the death of a gateway take a second one."""
    labels = {"istio": "second"}
    second = stack.add_gateway("second", labels)
    try:
        second.child.wait()
        apply(
            manifests.deployment("web", replicas=1),
            manifests.service("web"),
            manifests.gateway("web", [host], labels, second.address),
            manifests.route("web", host, service, "web"),
        )
        assert until(lambda: 200 == second.get(host).status, WITHIN)
        assert 200 != stack.gateway.get(host).status
    finally:
        stack.remove(second)


def test_a_service_account_may_do_what_its_roles_say(stack, namespace):
    """With an administrator's rights every test of a role would pass."""
    user = Api(stack.control_plane.kubeconfig_of("default", namespace))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = user.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert f"system:serviceaccount:{namespace}:default" == told["status"]["userInfo"]["username"]
    with pytest.raises(ApiError, match="403 Forbidden"):
        user.items("v1", "Pod", namespace)
    verbs = [event["verb"] for event in stack.control_plane.audited("default", namespace)]
    assert {"create": 1, "list": 1} == {verb: verbs.count(verb) for verb in ("create", "list")}


def test_pods_outlive_the_api_server(stack, cluster, namespace, web, host, pods):
    """While it is away nothing changes, and afterwards everything goes on."""
    web()
    cluster.scale("web", 1, namespace)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    [before] = pods()
    stack.control_plane.apiserver.kill()
    assert 200 == stack.gateway.get(host).status
    stack.control_plane.apiserver.start()
    stack.control_plane.apiserver.wait()
    assert [before["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in pods()]
    cluster.scale("web", 0, namespace)
    assert until(lambda: 503 == stack.gateway.get(host).status, WITHIN)
    assert until(lambda: not pods(), WITHIN)


def test_envoys_outlive_istiod(stack, cluster, namespace, web, host):
    """They keep what they have, and hear of endpoints again once it is back."""
    web()
    stack.istiod.kill()
    assert 503 == stack.gateway.get(host).status
    cluster.scale("web", 1, namespace)
    stack.istiod.start()
    stack.istiod.wait()
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)


def test_the_mesh_has_its_namespace_and_a_caller(cluster, stack):
    """Where an install-wide EnvoyFilter goes, and who is not a gateway."""
    assert cluster.get("v1", "Namespace", ISTIO_NAMESPACE)
    assert "sidecar" == stack.caller.identity.kind


@pytest.mark.parametrize("end", ["down", "kill -9"])
def test_the_command_leaves_nothing_behind(tmp_path, end):
    """Whoever tries it on a laptop wants it gone afterwards, however it ended."""
    folder = tmp_path / "stack"

    def command(word):
        return subprocess.run(
            [sys.executable, "-m", "e2e.stack", word, "--folder", folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    try:
        told = command("up")
        assert 0 == told.returncode, told.stderr
        assert "nsenter --net" in told.stdout
        state = Detached(folder).state()
        assert inhabitants(state.network)
        if end == "kill -9":
            os.kill(state.pid, signal.SIGKILL)
            assert until(lambda: not inhabitants(state.network), WITHIN)
            assert "ended unexpectedly" in command("status").stdout
    finally:
        told = command("down")
    assert (0, "removed\n") == (told.returncode, told.stdout)
    assert [] == inhabitants(state.network)
    assert not folder.exists()
