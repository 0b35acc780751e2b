"""Events about pods. Must not know when they are due."""

import uuid

from e2e.stack.kubelet.client import Client, Object, Refused
from e2e.stack.kubelet.container import now


async def record(client: Client, pod: Object, reason: str, message: str) -> None:
    """Tell of a pod's trouble, if its namespace still takes events."""
    meta = pod["metadata"]
    namespace = meta["namespace"]
    about = {key: meta[key] for key in ("name", "namespace", "uid")}
    event = {
        "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **about},
        "reason": reason,
        "message": message,
        "type": "Warning",
        "source": {"component": "kubelet" if reason == "BackOff" else "default-scheduler"},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
    }
    try:
        await client.request("POST", f"/api/v1/namespaces/{namespace}/events", event)
    except Refused:
        return
