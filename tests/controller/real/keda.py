"""KEDA as far as the controller sees it: its definition, and what it writes into ScaledObjects."""

from typing import Any

import yaml

from e2e.stack.api import ApiError
from e2e.stack.binaries import keda_manifests

VERSION = "keda.sh/v1alpha1"
NAME = "scaledobjects.keda.sh"
FINALIZER = "finalizer.keda.sh"


def definition() -> dict[str, Any]:
    """Return the definition of ScaledObjects, of the release that the stack is pinned to."""
    documents = yaml.safe_load_all(keda_manifests().read_text())
    found: dict[str, Any] = next(each for each in documents if each["metadata"]["name"] == NAME)
    return found


class FakeKeda:
    """Writes into ScaledObjects what KEDA writes, when the test says so."""

    def __init__(self, api, namespace) -> None:
        self.api = api
        self.namespace = namespace

    def find(self, name="layby-cart"):
        """Return a ScaledObject, or nothing."""
        try:
            return self.api.get(VERSION, "ScaledObject", name, self.namespace)
        except (ApiError, LookupError):
            return None

    def all(self):
        """Return all ScaledObjects, or none where they are not served."""
        try:
            return self.api.request("GET", "/apis/keda.sh/v1alpha1/scaledobjects")["items"]
        except ApiError:
            return None

    def triggers(self):
        """Return all triggers of the namespace."""
        items = self.api.items(VERSION, "ScaledObject", self.namespace)
        return [trigger for item in items for trigger in item["spec"]["triggers"]]

    def looks(self, name="layby-cart", *, ready="True", message="all is well"):
        """Label a ScaledObject, hold on to it, and say what it is like: as whole objects."""
        item = self.find(name)
        metadata = item["metadata"]
        metadata.setdefault("labels", {})["scaledobject.keda.sh/name"] = name
        metadata["finalizers"] = [FINALIZER]
        path = self.api.path(item)
        item = self.api.request("PUT", path, item)
        conditions = [
            {"type": "Ready", "status": ready, "reason": "Said", "message": message},
            {"type": "Active", "status": "False", "reason": "Said", "message": ""},
        ]
        self.api.request("PUT", f"{path}/status", {**item, "status": {"conditions": conditions}})

    def polls(self, name="layby-cart", *, at):
        """Note when it has looked."""
        item = self.find(name)
        self.api.patch(item, {"status": {"lastActiveTime": at}}, subresource="status")

    def lets_go(self, name="layby-cart"):
        """Let a ScaledObject go that is deleted."""
        self.api.patch(self.find(name), {"metadata": {"finalizers": []}})
