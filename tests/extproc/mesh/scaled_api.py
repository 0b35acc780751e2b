"""An API server in memory whose Deployments can be scaled."""

from typing import Any

from kube.request import Request
from kube.resource import DEPLOYMENTS, Key
from tests.extproc.mesh.objects import deployment
from tests.kube.fake_api import FakeAnswer, FakeApi, status

SELECTOR = "app=cart"
_SCALE = "/scale"


class ScaledApi(FakeApi):
    """Serves `/scale` of all that has replicas, and remembers who changed them to what."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled: list[tuple[int, int]] = []
        self.serve("apps/v1", "Deployment", "deployments", "scale")

    def serve(self, api_version: str, kind: str, plural: str, *subresources: str) -> None:
        """Serve a kind."""
        entry = {"name": plural, "kind": kind, "namespaced": True}
        parts = [{**entry, "name": f"{plural}/{each}"} for each in subresources]
        # It is not an object: nobody watches it.
        self.objects[f"/apis/{api_version}"] = {"resources": [entry, *parts]}

    def find(self, name: str = "cart") -> dict[str, Any]:
        """Return a Deployment."""
        return self.objects[DEPLOYMENTS.path_of(Key("shop", name))]

    @property
    def replicas(self) -> int:
        """How many replicas of `cart` are asked for."""
        replicas: int = self.find()["spec"]["replicas"]
        return replicas

    def scale(self, replicas: int) -> None:
        """Scale `cart` as somebody else does."""
        self.put(DEPLOYMENTS, deployment(replicas=replicas))

    def _get(self, request: Request) -> FakeAnswer:
        if not request.path.endswith(_SCALE):
            return super()._get(request)
        item = self.objects.get(request.path.removesuffix(_SCALE))
        return self._answer(item) if item else FakeAnswer(404, status(404, "NotFound"))

    def _patch(self, request: Request) -> FakeAnswer:
        path = request.path.removesuffix(_SCALE)
        item = self.objects.get(path)
        if item is None or path == request.path:
            return super()._patch(request)
        body: Any = request.body
        test, change = body
        before = item["spec"]["replicas"]
        if (test["value"] or 0) != before:
            return FakeAnswer(422, status(422, "Invalid", "the server rejected our request"))
        self.scaled.append((before, change["value"]))
        spec = {**item["spec"], "replicas": change["value"]}
        return self._answer(self._store(path, {**item, "spec": spec}, "MODIFIED"))

    @staticmethod
    def _answer(item: dict[str, Any]) -> FakeAnswer:
        found = {"selector": item["spec"].get("selector", SELECTOR)}
        return FakeAnswer(200, {"spec": {"replicas": item["spec"]["replicas"]}, "status": found})
