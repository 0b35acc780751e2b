"""The process kubelet: pods live, fail and die as those of a cluster do."""

import sys
import threading
import time
from pathlib import Path

import pytest

from e2e.stack.http import get
from e2e.stack.kubelet import FAILURE, PROBE_PERIOD, START_DELAY
from e2e.stack.namespace import inhabitants
from e2e.stack.processes import until
from e2e.workloads import manifests

pytestmark = pytest.mark.kube

WITHIN = 15.0
"""Seconds that a change may take to get through."""

WHO_AM_I = """
from kubernetes import client, config
config.load_incluster_config()
print(client.AuthenticationV1Api().create_self_subject_review({}).status.user_info.username)
"""
FOR_WHOM = """
import json
from base64 import urlsafe_b64decode
from pathlib import Path
_, payload, _ = Path("/var/run/some/where/token").read_text().split(".")
print(json.loads(urlsafe_b64decode(payload + "=="))["aud"])
"""
HEALTH = """
import os
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2_grpc
server = grpc.server(ThreadPoolExecutor(1))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_insecure_port(f"{os.environ['POD_IP']}:8080")
server.start()
server.wait_for_termination()
"""


def is_ready(pod):
    """Tell whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def waiting(pods):
    """Return why the containers of pods do not run."""
    statuses = (s for pod in pods for s in pod["status"].get("containerStatuses", ()))
    return [s["state"]["waiting"]["reason"] for s in statuses if "waiting" in s["state"]]


def events(cluster, namespace, reason):
    """Return what the events with a reason say."""
    found = cluster.items("v1", "Event", namespace)
    return [event["message"] for event in found if event["reason"] == reason]


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff"])
def test_a_pod_can_be_made_not_to_start(cluster, namespace, apply, pods, reason):
    """Hopeless starts are to be told from slow ones by what Kubernetes says of them."""
    apply(manifests.deployment("web", replicas=1, annotations={FAILURE: reason}))
    assert until(lambda: [reason] == waiting(pods()), WITHIN)
    assert until(lambda: events(cluster, namespace, "BackOff"), WITHIN)


def test_a_pod_can_be_made_to_fit_nowhere(cluster, namespace, apply, pods):
    """It stays pending, and only the scheduler's condition says why."""
    apply(manifests.deployment("web", replicas=1, annotations={FAILURE: "Unschedulable"}))

    def reasons():
        conditions = (c for pod in pods() for c in pod["status"].get("conditions", ()))
        return [(c["type"], c["status"], c.get("reason")) for c in conditions]

    assert until(lambda: [("PodScheduled", "False", "Unschedulable")] == reasons(), WITHIN)
    assert ["Pending"] == [pod["status"]["phase"] for pod in pods()]
    assert events(cluster, namespace, "FailedScheduling")


def test_a_quota_lets_no_pod_be_created(cluster, namespace, apply, pods):
    """There is no pod to look at then: only an event of the ReplicaSet."""
    apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"pods": "0"}},
        },
        manifests.deployment("web", replicas=1),
    )
    assert until(lambda: events(cluster, namespace, "FailedCreate"), WITHIN)
    assert "exceeded quota" in events(cluster, namespace, "FailedCreate")[0]
    assert [] == pods()


def test_a_program_that_fails_is_a_crash_loop(pod):
    """The state is not only one that an annotation paints."""
    crashed = pod(["false"], lambda pod: ["CrashLoopBackOff"] == waiting([pod]))
    [status] = crashed["status"]["containerStatuses"]
    assert 1 == status["lastState"]["terminated"]["exitCode"]


def test_a_pod_is_ready_when_its_probe_says_so(stack, cluster, namespace, web, host, pods):
    """Between started and ready lies what a parked request waits for."""
    annotations = {START_DELAY: "500ms", PROBE_PERIOD: "50ms"}
    web("--delay", "0.5", annotations=annotations)
    begun = time.time()
    cluster.scale("web", 1, namespace)
    assert until(lambda: any(map(is_ready, pods())), WITHIN)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    told = stack.gateway.get(host).json()
    assert 0.5 < told["born"] - begun
    assert 0.5 < told["started"] - told["born"]


@pytest.mark.parametrize(
    "probe",
    [
        {"tcpSocket": {"port": 8080}},
        {"grpc": {"port": 8080}},
        {"exec": {"command": ["sh", "-c", "test $POD_NAME = single"]}},
    ],
    ids=lambda probe: next(iter(probe)),
)
def test_a_probe_may_ask_in_each_of_the_ways_that_there_are(pod, probe):
    """A hold server is asked by gRPC."""
    container = {"name": "app", "image": "none", "command": [sys.executable, "-c", HEALTH]}
    pod([], is_ready, containers=[{**container, "readinessProbe": {**probe, "periodSeconds": 1}}])


def test_a_pod_that_cannot_be_run_here_says_why(pod):
    """What the kubelet lacks must not look as if it were there."""
    mount = {"name": "v", "mountPath": "/v"}
    container = {"name": "app", "image": "none", "command": ["true"], "volumeMounts": [mount]}
    refused = pod(
        [],
        lambda pod: ["CreateContainerConfigError"] == waiting([pod]),
        containers=[container],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    [status] = refused["status"]["containerStatuses"]
    assert "no volumes here: /v" == status["state"]["waiting"]["message"]


def test_a_pod_finds_a_secret_where_it_is_mounted(apply, pod):
    """Hold servers have KEDA's certificates so; what is not among the items they must not see."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    apply({**secret, "stringData": {"a": "yes", "b": "no"}})
    mount = {"name": "v", "mountPath": "/var/run/some/where"}
    words = ["sh", "-c", 'test "$(cd /var/run/some/where && grep -r . .)" = ./a:yes']
    container = {"name": "app", "image": "none", "command": words, "volumeMounts": [mount]}
    volume = {"name": "v", "secret": {"secretName": "s", "items": [{"key": "a", "path": "a"}]}}
    pod(
        [],
        lambda pod: "Succeeded" == pod["status"]["phase"],
        containers=[container],
        volumes=[volume],
        restartPolicy="Never",
    )


def test_a_kubelet_that_is_killed_takes_its_pods_with_it_and_starts_them_again(
    stack, cluster, namespace, web, host, pods
):
    """Nothing may run that nobody looks after."""
    web()
    cluster.scale("web", 1, namespace)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    born = stack.gateway.get(host).json()["born"]
    [before] = pods()
    stack.kubelet.kill()
    assert until(lambda: 0 == get(before["status"]["podIP"], host, port=8080).status, WITHIN)
    stack.kubelet.start()
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    assert born < stack.gateway.get(host).json()["born"]
    assert [before["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in pods()]


def test_a_pod_finishes_what_it_is_at(stack, cluster, namespace, web, host, pods):
    """A request that is under way when its pod is deleted must not be lost."""
    web("--linger", "1")
    cluster.scale("web", 1, namespace)
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)
    [before] = pods()
    replies = []
    slow = threading.Thread(
        target=lambda: replies.append(stack.gateway.get(host, "/pause?seconds=2"))
    )
    slow.start()
    cluster.scale("web", 0, namespace)
    assert until(lambda: "deletionTimestamp" in pods()[0]["metadata"], WITHIN)
    assert 200 == get(before["status"]["podIP"], host, port=8080).status
    slow.join()
    assert [200] == [reply.status for reply in replies]
    assert until(lambda: not pods(), WITHIN)


def test_a_pod_that_does_not_end_is_killed_after_its_grace(stack, cluster, pod, pods):
    """A pod that hangs must not hang the test."""
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    running = pod(stubborn, is_ready)
    begun = time.monotonic()
    cluster.delete(running)
    assert until(lambda: not pods(), WITHIN)
    assert 1.0 <= time.monotonic() - begun < 5.0
    commands = (Path(f"/proc/{pid}/cmdline") for pid in inhabitants(stack.namespace.id))
    assert not any(b"trap" in command.read_bytes() for command in commands)


def test_a_pod_finds_the_api_server_as_its_service_account(stack, namespace, pod):
    """Layby is to be let in as itself, by the files that a cluster would give it."""
    pod(
        [sys.executable, "-c", WHO_AM_I],
        lambda pod: "Succeeded" == pod["status"]["phase"],
        restartPolicy="Never",
        automountServiceAccountToken=True,
    )
    said = (stack.logs / "pods" / f"{namespace}.single.app.log").read_text()
    assert f"system:serviceaccount:{namespace}:default\n" == said


def test_a_pod_finds_a_token_for_whom_it_asks_for_one(stack, namespace, pod):
    """By its audience istiod takes a controller's."""
    token = {"audience": "istio-ca", "expirationSeconds": 600, "path": "token"}
    container = {
        "name": "app",
        "image": "none",
        "command": [sys.executable, "-c", FOR_WHOM],
        "volumeMounts": [{"name": "v", "mountPath": "/var/run/some/where"}],
    }
    pod(
        [],
        lambda pod: "Succeeded" == pod["status"]["phase"],
        containers=[container],
        volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": token}]}}],
        restartPolicy="Never",
    )
    said = (stack.logs / "pods" / f"{namespace}.single.app.log").read_text()
    assert "['istio-ca']\n" == said
