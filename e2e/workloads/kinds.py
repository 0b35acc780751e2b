"""Kinds of workloads of somebody's own: their definitions, and a controller that runs one. Pure
but for the controller, which only knows the API that it is given.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from e2e.stack.api import NOT_FOUND, Api, ApiError

Manifest = dict[str, Any]

LOOK_SECONDS = 0.05


class Kind(NamedTuple):
    """A kind whose objects look like Argo's Rollouts: a Deployment's fields, and a scale."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The group and version that its objects name."""
        return f"{self.group}/{self.version}"

    @property
    def plural(self) -> str:
        """The resource's name."""
        return f"{self.kind.lower()}s"

    def definition(self) -> Manifest:
        """Describe the kind."""
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        scale = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{self.group}"},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"kind": self.kind, "plural": self.plural},
                "versions": [
                    {
                        "name": self.version,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}, "scale": scale},
                    }
                ],
            },
        }

    def like(self, deployment: Mapping[str, Any]) -> Manifest:
        """Describe an object of this kind with a Deployment's spec."""
        return {**deployment, "apiVersion": self.api_version, "kind": self.kind}


@contextmanager
def controlled(api: Api, kind: Kind, name: str, namespace: str) -> Iterator[None]:
    """Run one object's pods by a ReplicaSet while a block runs, as its controller would."""
    ended = threading.Event()

    def mirror() -> None:
        while not ended.wait(LOOK_SECONDS):
            try:
                _mirror(api, api.get(kind.api_version, kind.kind, name, namespace))
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise

    thread = threading.Thread(target=mirror, name=f"controller of {name}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _mirror(api: Api, found: Manifest) -> None:
    """Have one ReplicaSet as the object says, and tell how it is."""
    metadata, spec = found["metadata"], found["spec"]
    key = ("apps/v1", "ReplicaSet", metadata["name"], metadata["namespace"])
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "ownerReferences": [
                {
                    "apiVersion": found["apiVersion"],
                    "kind": found["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": spec,
    }
    try:
        current = api.get(*key)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        api.create(wanted)
        return
    if current["spec"]["replicas"] != spec["replicas"]:
        api.patch(wanted, {"spec": {"replicas": spec["replicas"]}})
    labels = spec["selector"]["matchLabels"]
    told = {
        "replicas": current["status"]["replicas"],
        "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
    }
    if found.get("status") != told:
        api.patch(found, {"status": told}, subresource="status")
