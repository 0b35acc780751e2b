"""The node: its object, the binding of pods to it, and who lives on it.

Must not know what a pod is at. It is its own scheduler: there is one node.
"""

import asyncio
import logging

from e2e.stack.kubelet import FAILURE, NODE
from e2e.stack.kubelet.client import APPLY, MERGE, Changed, Listed, Object, Refused
from e2e.stack.kubelet.container import now
from e2e.stack.kubelet.event import record
from e2e.stack.kubelet.pod import Host, Pod
from e2e.stack.kubelet.status import ADDRESS

_MANAGER = "fieldManager=kubelet&force=true"
_CAPACITY = {"cpu": "64", "memory": "64Gi", "pods": "200"}

log = logging.getLogger(__name__)


class Node:
    """All pods that there are, each with a task of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pods: dict[str, Pod] = {}
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """Register, and do what the API server says until cancelled."""
        async with self._tasks:
            await self._register()
            async for seen in self._host.client.watch("/api/v1/pods"):
                match seen:
                    case Listed(items):
                        self._relist(items)
                    case Changed(pod, deleted):
                        self._gone(pod["metadata"]["uid"]) if deleted else self._see(pod)

    async def _register(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
        named = {**node, "metadata": {"name": NODE, "labels": labels}}
        await self._host.client.request("PATCH", f"/api/v1/nodes/{NODE}?{_MANAGER}", named, APPLY)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
            "conditions": [{**ready, "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
        }
        path = f"/api/v1/nodes/{NODE}/status?{_MANAGER}"
        await self._host.client.request("PATCH", path, {**node, "status": status}, APPLY)
        log.info("node %s is ready", NODE)

    def _relist(self, items: list[Object]) -> None:
        there = {item["metadata"]["uid"] for item in items}
        for uid in self._pods.keys() - there:
            self._gone(uid)
        for item in items:
            self._see(item)

    def _see(self, pod: Object) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        uid = meta["uid"]
        if known := self._pods.get(uid):
            known.observe(pod)
        elif spec.get("nodeName") == NODE:
            self._pods[uid] = Pod(self._host, pod)
            self._tasks.create_task(self._keep(uid), name=f"pod {meta['name']}")
        elif not spec.get("nodeName") and not meta.get("deletionTimestamp"):
            self._tasks.create_task(self._schedule(pod), name=f"schedule {meta['name']}")

    async def _keep(self, uid: str) -> None:
        try:
            await self._pods[uid].run()
        except* Exception:  # one pod's trouble is not the others'
            log.exception("%s", self._pods[uid].path)
        finally:
            del self._pods[uid]

    def _gone(self, uid: str) -> None:
        if pod := self._pods.get(uid):
            pod.removed()

    async def _schedule(self, pod: Object) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if spec.get("schedulingGates"):
            return
        try:
            if meta.get("annotations", {}).get(FAILURE) == "Unschedulable":
                await self._refuse(pod, path)
                return
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            identity = {"name": meta["name"], "uid": meta["uid"]}
            await self._host.client.request(
                "POST", f"{path}/binding", {"metadata": identity, "target": target}
            )
        except Refused as refused:  # bound already, or gone
            log.info("%s is not bound: %s", path, refused)

    async def _refuse(self, pod: Object, path: str) -> None:
        if pod.get("status", {}).get("conditions"):
            return
        message = "0/1 nodes are available: 1 node(s) were made not to fit by an annotation."
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": now(),
        }
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [condition]}}
        await self._host.client.request("PATCH", f"{path}/status", body, MERGE)
        await record(self._host.client, pod, "FailedScheduling", message)
