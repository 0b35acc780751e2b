"""What can be done to objects: the verbs of the API, on plain objects.

Owns how a verb becomes a request and an answer an object. Must not know what is in an object
beyond its name, nor when a verb is called for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, NamedTuple

from kube.errors import InvalidError, MismatchError
from kube.request import Answer, Request, Sender, Transport
from kube.resource import Key, Object, Resource, Selection, key_of

FIELD_MANAGER = "layby"
PAGE_SIZE = 500
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


class Listing(NamedTuple):
    """Objects as they were at one version of the whole, or a page of them."""

    items: Sequence[Object]
    version: str
    next: str = ""
    """Where the next page begins; empty on the last."""


class Scale(NamedTuple):
    """How many replicas there shall be, and are."""

    desired: int
    current: int
    selector: str
    """Of the pods, in the syntax of a query; empty if the resource does not tell."""


class Kube:
    """The API, for whoever reads and writes objects."""

    def __init__(
        self,
        transport: Transport,
        *,
        field_manager: str = FIELD_MANAGER,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._sender = Sender(transport)
        self._manager = field_manager
        self._timeout_seconds = timeout_seconds

    @property
    def requests(self) -> Counter[str]:
        """How many requests were sent, by verb."""
        return self._sender.requests

    async def get(self, resource: Resource, key: Key, *, subresource: str = "") -> Object:
        """Return an object."""
        return await self.send(Request("get", "GET", resource.path_of(key, subresource)))

    async def list(self, selection: Selection, *, page_size: int = PAGE_SIZE) -> Listing:
        """Return all objects of a selection."""
        items: list[Object] = []
        page = await self.page(selection, page_size)
        items.extend(page.items)
        while page.next:
            page = await self.page(selection, page_size, page.next)
            items.extend(page.items)
        return Listing(items, page.version)

    async def page(self, selection: Selection, limit: int = 0, start: str = "") -> Listing:
        """Return some objects of a selection; all that are left, if there is no limit."""
        query = selection.query
        if limit:
            query["limit"] = str(limit)
        if start:
            query["continue"] = start
        found = await self.send(Request("list", "GET", selection.path, query))
        resource = selection.resource
        for item in (items := found.get("items") or []):
            # Built-in resources leave it out in lists, and only there.
            item.setdefault("kind", resource.kind)
            item.setdefault("apiVersion", resource.api_version)
        metadata = found["metadata"]
        return Listing(items, metadata.get("resourceVersion", ""), metadata.get("continue") or "")

    async def create(self, resource: Resource, body: Object) -> Object:
        """Create an object.

        Raises:
            AlreadyExistsError: there is one with its name.
        """
        path = resource.path(body["metadata"].get("namespace", ""))
        return await self.send(
            Request("create", "POST", path, self._query(), _named(resource, body))
        )

    async def replace(self, resource: Resource, body: Object, *, subresource: str = "") -> Object:
        """Put an object in place of what is there.

        Raises:
            ConflictError: `body` carries a version, and it is not that of what is there.
        """
        path = resource.path_of(key_of(body), subresource)
        return await self.send(
            Request("update", "PUT", path, self._query(), _named(resource, body))
        )

    async def patch_merge(
        self, resource: Resource, key: Key, patch: Object, *, subresource: str = ""
    ) -> Object:
        """Change the fields that a patch has; those that it has as null go away."""
        path = resource.path_of(key, subresource)
        return await self.send(Request("patch", "PATCH", path, self._query(), patch, _MERGE_PATCH))

    async def patch_json(
        self, resource: Resource, key: Key, patch: Iterable[Object], *, subresource: str = ""
    ) -> Object:
        """Carry out the operations of a JSON patch, all or none.

        Raises:
            MismatchError: they do not fit the object as it is; perhaps a `test` does not hold.
        """
        path = resource.path_of(key, subresource)
        # A list, by its type: the REST client takes other patches for strategic merge patches.
        body = [dict(operation) for operation in patch]
        try:
            return await self.send(
                Request("patch", "PATCH", path, self._query(), body, _JSON_PATCH)
            )
        except InvalidError as error:
            if error.causes:
                raise
            # A patch that cannot be carried out is refused in these words too, but without a
            # field that were to blame.
            raise MismatchError(error.status, error.reason, error.message) from error

    async def apply(
        self, resource: Resource, body: Object, *, force: bool = False, subresource: str = ""
    ) -> Object:
        """Have an object's fields be as in `body`, and none that we applied before and is not.

        Args:
            resource: What it is.
            body: Exactly the fields that shall be ours.
            force: Take fields over from other managers, instead of failing.
            subresource: A part of it that is served by itself.

        Raises:
            ConflictError: a field is another manager's; the causes say which and whose.
        """
        path = resource.path_of(key_of(body), subresource)
        query = {**self._query(), "force": "true" if force else "false"}
        return await self.send(
            Request("apply", "PATCH", path, query, _named(resource, body), _APPLY)
        )

    async def apply_status(
        self, resource: Resource, body: Object, *, force: bool = False
    ) -> Object:
        """Have the fields of an object's status be as in `body`."""
        return await self.apply(resource, body, force=force, subresource="status")

    async def delete(
        self, resource: Resource, key: Key, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete an object.

        Raises:
            ConflictError: it is not the one with this uid, or not any more at this version.
        """
        preconditions = {"uid": uid, "resourceVersion": version}
        body = {
            "preconditions": {name: value for name, value in preconditions.items() if value},
            "propagationPolicy": "Background",
        }
        await self.send(Request("delete", "DELETE", resource.path_of(key), body=body))

    async def get_scale(self, resource: Resource, key: Key) -> Scale:
        """Return the scale of anything that has one."""
        return _scale(await self.get(resource, key, subresource="scale"))

    async def patch_scale(
        self, resource: Resource, key: Key, *, current: int, desired: int
    ) -> Scale:
        """Change the number of replicas from one to another.

        Raises:
            MismatchError: `current` is not the number that is asked for now.
        """
        # The API leaves out a number that is 0: `test` has to look for nothing then, and
        # `replace` would find nothing.
        patch = (
            {"op": "test", "path": "/spec/replicas", "value": current or None},
            {"op": "add", "path": "/spec/replicas", "value": desired},
        )
        return _scale(await self.patch_json(resource, key, patch, subresource="scale"))

    def opened(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send a request of one's own making, and have its answer to read while it comes."""
        return self._sender.opened(request)

    async def send(self, request: Request) -> dict[str, Any]:
        """Send a request of one's own making, and return its answer."""
        return await self._sender.fetch(replace(request, timeout_seconds=self._timeout_seconds))

    def _query(self) -> dict[str, str]:
        return {"fieldManager": self._manager}


def _named(resource: Resource, body: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def _scale(item: Object) -> Scale:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return Scale(spec.get("replicas", 0), status.get("replicas", 0), status.get("selector", ""))
