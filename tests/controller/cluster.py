"""A cluster in memory: an API server that serves what the controller needs, and counts its writes.

It knows server-side apply, subresources, finalizers and preconditions as far as the controller
depends on them, and nothing of managed fields: the tests against a real one are for that.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kube.errors import KubeError
from kube.request import Request
from kube.resource import (
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_FILTERS,
    HOLD_POLICIES,
    NAMESPACES,
    SCALED_OBJECTS,
    SERVICES,
    STATEFUL_SETS,
    TRAFFIC_HOLDS,
    Key,
    Resource,
    key_of,
)
from tests.kube.fake_api import FakeAnswer, FakeApi, status

MILLS = Resource("example.org", "v1", "mills", "Mill")
"""A kind of one's own: it has no pod template, and its replicas are called otherwise."""
_KINDS = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "Service": SERVICES,
    "Namespace": NAMESPACES,
    "TrafficHold": TRAFFIC_HOLDS,
    "HoldPolicy": HOLD_POLICIES,
    "DestinationRule": DESTINATION_RULES,
    "EnvoyFilter": ENVOY_FILTERS,
    "ScaledObject": SCALED_OBJECTS,
    "EndpointSlice": ENDPOINT_SLICES,
    "Mill": MILLS,
}
_WRITTEN = re.compile(r"/v[0-9a-z]+(?:/namespaces/[^/]+)?/([a-z]+)/[^/]+(?:/(status|scale))?$")
_PRECONDITIONS = ("uid", "resourceVersion")
_READS = frozenset({"get", "list", "watch"})


class Cluster(FakeApi):
    """An API server with what the controller needs."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: Counter[str] = Counter()
        """How often each resource was written, but for Leases and Events."""
        self.serve(DEPLOYMENTS, STATEFUL_SETS)
        self.serve(MILLS)
        self.serve(Resource("apps", "v1", "daemonsets", "DaemonSet"), scale=False)

    def serve(self, *resources: Resource, scale: bool = True) -> None:
        """Serve kinds of a group, beside those that it has."""
        path = f"/apis/{resources[0].api_version}"
        answer = self.objects.setdefault(path, {"resources": []})
        for each in resources:
            entry = {"name": each.plural, "kind": each.kind, "namespaced": each.namespaced}
            answer["resources"].append(entry)
            if scale:
                answer["resources"].append({**entry, "name": f"{each.plural}/scale"})

    def have(self, *items: Mapping[str, Any]) -> None:
        """Have objects, of which new ones are told."""
        for item in items:
            kind = item.get("kind", "EndpointSlice")
            if kind == "CustomResourceDefinition":
                self._define(item)
            else:
                self.put(_KINDS[kind], item)

    def lose(self, *items: Mapping[str, Any]) -> None:
        """Have objects no longer."""
        for item in items:
            kind = item.get("kind", "EndpointSlice")
            if kind == "CustomResourceDefinition":
                del self.objects[f"/apis/{SCALED_OBJECTS.api_version}"]
            else:
                self.remove(_KINDS[kind], item)

    def _define(self, item: Mapping[str, Any]) -> None:
        """Serve ScaledObjects as far as their definition says, and tell nobody."""
        verbs = ["delete", "get", "list", "watch"]
        if "deletionTimestamp" not in item["metadata"]:
            verbs += ["create", "patch"]
        entry = {"name": SCALED_OBJECTS.plural, "kind": SCALED_OBJECTS.kind, "verbs": verbs}
        (established,) = item["status"]["conditions"]
        served = [entry] if established["status"] == "True" else []
        self.objects[f"/apis/{SCALED_OBJECTS.api_version}"] = {"resources": served}

    def find(self, resource: Resource, name: str, namespace: str = "shop") -> Any:
        """Return an object, if it is there."""
        return self.objects.get(resource.path_of(Key(namespace, name)))

    def names(self, resource: Resource) -> list[str]:
        """Return the names of all objects of a resource."""
        return sorted(
            item["metadata"]["name"]
            for item in self.objects.values()
            if item.get("kind") == resource.kind
        )

    def delete(self, item: Mapping[str, Any]) -> None:
        """Delete an object as a user does."""
        self._delete(Request("delete", "DELETE", self._path(item)))

    def scale(self, item: Mapping[str, Any], replicas: int) -> None:
        """Scale a workload as a user does."""
        current = self.objects[self._path(item)]
        self.have({**current, "spec": {**current["spec"], "replicas": replicas}})

    async def send(self, request: Request) -> FakeAnswer:
        """Answer a request."""
        path = request.path
        if request.verb not in _READS and "/leases" not in path and "/events" not in path:
            found = _WRITTEN.search(path)
            assert found, path
            self.writes["/".join(filter(None, found.groups()))] += 1
        special = {"apply": self._apply, "delete": self._delete}
        if path.endswith(("/scale", "/status")) and request.verb in {"get", "patch"}:
            answer = self._scaled
        elif request.verb in special:
            answer = special[request.verb]
        elif request.verb == "patch" and "/events" not in path:
            answer = self._merged
        else:
            return await super().send(request)
        self.asked.append(request)
        await asyncio.sleep(0)
        if waiting := self.answers.get(request.verb):
            return self._next(waiting.popleft())
        return answer(request)

    @staticmethod
    def _next(answer: FakeAnswer | KubeError) -> FakeAnswer:
        if isinstance(answer, KubeError):
            raise answer
        return answer

    @staticmethod
    def _path(item: Mapping[str, Any]) -> str:
        return _KINDS[item["kind"]].path_of(key_of(item))

    def _apply(self, request: Request) -> FakeAnswer:
        path, body = request.path.removesuffix("/status"), _copy(request.body)
        current = self.objects.get(path)
        if current is None and path != request.path:
            return FakeAnswer(404, status(404, "NotFound"))
        uid = body["metadata"].get("uid")
        if current and uid and uid != current["metadata"]["uid"]:
            return FakeAnswer(409, status(409, "Conflict"))
        if path != request.path:
            assert current
            return FakeAnswer(200, self._changed(path, {**current, "status": body["status"]}))
        if current is None:
            body["metadata"].setdefault("uid", f"uid-{self.version}")
            body["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            return FakeAnswer(201, self._store(path, body, "ADDED"))
        return FakeAnswer(200, self._changed(path, _merge(current, body)))

    def _merged(self, request: Request) -> FakeAnswer:
        current = self.objects.get(request.path)
        if current is None:
            return FakeAnswer(404, status(404, "NotFound"))
        patch = _copy(request.body)
        preconditions = ((name, patch["metadata"].pop(name, None)) for name in _PRECONDITIONS)
        if any(value not in {None, current["metadata"][name]} for name, value in preconditions):
            return FakeAnswer(409, status(409, "Conflict"))
        return FakeAnswer(200, self._changed(request.path, _merge(current, patch)))

    def _delete(self, request: Request) -> FakeAnswer:
        current = self.objects.get(request.path)
        if current is None:
            return FakeAnswer(404, status(404, "NotFound"))
        body: Any = request.body or {}
        uid = body.get("preconditions", {}).get("uid")
        if uid and uid != current["metadata"]["uid"]:
            return FakeAnswer(409, status(409, "Conflict"))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        metadata = {**current["metadata"], "deletionTimestamp": now}
        self._changed(request.path, {**current, "metadata": metadata})
        return FakeAnswer(200, {})

    def _scaled(self, request: Request) -> FakeAnswer:
        if request.verb == "patch" and request.path.endswith("/status"):
            raise AssertionError(request)
        path = request.path.removesuffix("/scale")
        current = self.objects.get(path)
        if current is None:
            return FakeAnswer(404, status(404, "NotFound"))
        field = "wheels" if "/mills/" in path else "replicas"
        replicas = current["spec"].get(field, 0)
        if request.verb == "patch":
            operations: Any = request.body
            test, change = operations
            if (test["value"] or 0) != replicas:
                causes = {"causes": [{"message": "testing path: test failed"}]}
                return FakeAnswer(422, status(422, "Invalid", details=causes))
            replicas = change["value"]
            spec = {**current["spec"], field: replicas}
            self._changed(path, {**current, "spec": spec})
        selector = current["spec"].get("selector", "")
        scale = {"spec": {"replicas": replicas}, "status": {"selector": selector}}
        return FakeAnswer(200, scale)

    def _changed(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        """Store an object, unless it is as it was, or is to go and nothing holds it up."""
        metadata = item["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            stored = self._store(path, item, "DELETED")
            del self.objects[path]
            self._collect(metadata["uid"])
            return stored
        if item == self.objects[path]:
            return self.objects[path]
        return self._store(path, item, "MODIFIED")

    def _collect(self, uid: str) -> None:
        """Delete what goes with an object."""
        for path, item in list(self.objects.items()):
            owners = item.get("metadata", {}).get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners):
                self._delete(Request("delete", "DELETE", path))


def _copy(body: object) -> Any:
    return json.loads(json.dumps(body))


def _merge(current: Any, patch: Any) -> Any:
    if not isinstance(current, dict) or not isinstance(patch, dict):
        return patch
    both = {**current, **{key: _merge(current.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in both.items() if value is not None}
