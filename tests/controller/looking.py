"""What a test looks for in the cluster in memory."""

from kube.resource import (
    DEPLOYMENTS,
    TRAFFIC_HOLDS,
)
from tests.controller.objects import deployment, endpoints, hold, service


def cart(**more):
    """Return all that a workload which is held consists of."""
    return (deployment(**more), service(), endpoints(ready=more.get("replicas", 1)), hold())


def condition(cluster, kind, name="cart"):
    conditions = cluster.find(TRAFFIC_HOLDS, name)["status"].get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)


def reason(cluster, kind, name="cart"):
    found = condition(cluster, kind, name)
    return found and found["reason"]


def status(cluster, name="cart"):
    return cluster.find(TRAFFIC_HOLDS, name)["status"]


def replicas(cluster, name="cart"):
    return cluster.find(DEPLOYMENTS, name)["spec"]["replicas"]


def events(cluster):
    return [item["reason"] for item in cluster.objects.values() if item.get("reportingController")]


async def begin(running, *items):
    running.cluster.have(*items)
    running.start()
    await running.settle(2.0)
    running.cluster.writes.clear()
