"""An API server as the tests see it: ask, apply, delete, wait.

Blocking and small; its own, so that a test of Layby's client does not rest on that client.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import urllib3
import yaml

from e2e.stack.kubeconfig import Access
from e2e.stack.processes import until

Manifest: TypeAlias = dict[str, Any]
Manifests: TypeAlias = str | Manifest | Iterable[Manifest]

FIELD_MANAGER = "e2e"
JSON = "application/json"
YAML = "application/yaml"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
WAIT_SECONDS = 20.0
NOT_FOUND = 404
_ERROR = 400


class ApiError(Exception):
    """The API server refuses; `status` is the HTTP status, `reason` Kubernetes' word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Api:
    """One user's view of an API server; any thread may use it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        access = Access.load(kubeconfig)
        self.server = access.server.rstrip("/")
        self._pool = urllib3.PoolManager(
            headers=dict(access.headers), ssl_context=access.context, maxsize=8, retries=False
        )
        self._lock = threading.Lock()
        self._resources: dict[str, dict[str, Manifest]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        **query: str,
    ) -> Any:
        """Ask, and return the answer: parsed JSON, or a text. A body of bytes is sent as it is.

        Raises:
            ApiError: the answer is a refusal.
        """
        answer = self._pool.request(
            method,
            f"{self.server}{path}?{urlencode(query)}",
            body=body if body is None or isinstance(body, bytes) else json.dumps(body),
            headers={**self._pool.headers, "Content-Type": content_type},
            timeout=WAIT_SECONDS,
        )
        text = answer.data.decode()
        is_json = answer.headers.get("Content-Type", "").startswith(JSON)
        told: Any = json.loads(text) if is_json else text
        if answer.status >= _ERROR:
            why = told if is_json else {"message": text.strip()}
            raise ApiError(answer.status, why.get("reason", ""), why.get("message", ""))
        return told

    def path(self, manifest: Manifest, *, collection: bool = False) -> str:
        """Return the path of an object, or of where it is created."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        resource = self._resource(version, kind)
        meta = manifest.get("metadata", {})
        namespace = meta.get("namespace", "default")
        place = f"/namespaces/{namespace}" if resource["namespaced"] else ""
        name = "" if collection else f"/{meta['name']}"
        return f"{_root(version)}{place}/{resource['name']}{name}"

    def get(self, version: str, kind: str, name: str, namespace: str = "default") -> Manifest:
        """Read one object."""
        found: Manifest = self.request("GET", self.path(_stub(version, kind, name, namespace)))
        return found

    def items(
        self, version: str, kind: str, namespace: str = "default", **query: str
    ) -> list[Manifest]:
        """Read all objects of a kind in a namespace."""
        path = self.path(_stub(version, kind, "", namespace), collection=True)
        items: list[Manifest] = self.request("GET", path, **query)["items"]
        return items

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object that must not exist."""
        made: Manifest = self.request("POST", self.path(manifest, collection=True), manifest)
        return made

    def apply(self, manifests: Manifests, namespace: str | None = None) -> list[Manifest]:
        """Have objects be as said (server-side apply); `namespace` is for those that name none."""
        wanted = parse(manifests, namespace)
        return [
            self.request("PATCH", self.path(m), m, APPLY, fieldManager=FIELD_MANAGER, force="true")
            for m in wanted
        ]

    def patch(
        self, manifest: Manifest, body: object, content_type: str = MERGE, subresource: str = ""
    ) -> Manifest:
        """Change an object."""
        suffix = f"/{subresource}" if subresource else ""
        changed: Manifest = self.request("PATCH", self.path(manifest) + suffix, body, content_type)
        return changed

    def scale(self, name: str, replicas: int, namespace: str, kind: str = "Deployment") -> None:
        """Set the replicas of a workload through its scale subresource."""
        target = _stub("apps/v1", kind, name, namespace)
        self.patch(target, {"spec": {"replicas": replicas}}, subresource="scale")

    def delete(self, manifests: Manifests, namespace: str | None = None) -> None:
        """Delete objects, the last first; those that are not there do not matter."""
        for manifest in reversed(parse(manifests, namespace)):
            try:
                self.request("DELETE", self.path(manifest), {"propagationPolicy": "Background"})
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise

    def exists(self, manifest: Manifest) -> bool:
        """Tell whether an object is there."""
        try:
            self.request("GET", self.path(manifest))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return True

    def token(self, service_account: str, namespace: str, seconds: int = 3600) -> str:
        """Request a token of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        answer = self.request("POST", path, {"spec": {"expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    def ready(self) -> bool:
        """Tell whether the API server says that it is ready."""
        try:
            self.request("GET", "/readyz")
        except (ApiError, urllib3.exceptions.HTTPError):
            return False
        return True

    def _resource(self, version: str, kind: str) -> Manifest:
        """Look up a kind; a definition made later is found, for unknown kinds are asked anew."""
        with self._lock:
            known = self._resources.get(version, {})
            if kind not in known:
                # A definition is served a moment after it is made.
                until(lambda: kind in self._discover(version), within=2.0)
                known = self._resources[version]
        if kind not in known:
            raise LookupError(f"the API server has no {kind} in {version}")
        return known[kind]

    def _discover(self, version: str) -> dict[str, Manifest]:
        try:
            resources = self.request("GET", _root(version))["resources"]
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            resources = []
        found = {r["kind"]: r for r in resources if "/" not in r["name"]}
        self._resources[version] = found
        return found


def parse(manifests: Manifests, namespace: str | None = None) -> list[Manifest]:
    """Return manifests one by one, from YAML if it is a text; their namespace if they have none."""
    match manifests:
        case str():
            wanted = [document for document in yaml.safe_load_all(manifests) if document]
        case Mapping():
            wanted = [manifests]
        case _:
            wanted = list(manifests)
    if namespace is None:
        return wanted
    return [{**m, "metadata": {"namespace": namespace, **m.get("metadata", {})}} for m in wanted]


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _stub(version: str, kind: str, name: str, namespace: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}
