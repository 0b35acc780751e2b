"""An API server in memory, for whoever does not care about HTTP; it can fail in every way."""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from kube.client import Kube
from kube.errors import KubeError, unreachable
from kube.request import Request
from kube.resource import Object, Resource, key_of

CUT = unreachable("Unreachable", ConnectionResetError("cut"))


def status(code: int, reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Make the object with which an API server refuses."""
    return {"kind": "Status", "code": code, "reason": reason, "message": message, **more}


class FakeAnswer:
    """An answer; if it is a watch, its body comes while the test goes on."""

    def __init__(self, code: int, body: object, retry_after: str | None = None) -> None:
        self.status = code
        self.retry_after = retry_after
        self.closed = False
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def read(self) -> bytes:
        """Return the body."""
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the body in two pieces, cut anywhere."""
        half = len(self._body) // 2
        for piece in (self._body[:half], self._body[half:]):
            yield piece

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class FakeWatch(FakeAnswer):
    """A watch, which the test says the lines of."""

    def __init__(self, request: Request) -> None:
        super().__init__(200, b"")
        self.request = request
        self._pieces: asyncio.Queue[bytes | KubeError | None] = asyncio.Queue()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return what is said, until it ends or nothing has been said for too long."""
        while True:
            try:
                async with asyncio.timeout(self.request.silence_seconds):
                    piece = await self._pieces.get()
            except TimeoutError as error:
                raise unreachable("Timeout", error) from error
            if piece is None:
                return
            if isinstance(piece, KubeError):
                raise piece
            yield piece

    def say(self, kind: str, item: Object) -> None:
        """Say a line."""
        self.raw(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def raw(self, piece: bytes) -> None:
        """Say a piece of a line."""
        self._pieces.put_nowait(piece)

    def end(self, error: KubeError | None = None) -> None:
        """End it, well or badly."""
        self._pieces.put_nowait(error)


class FakeApi:
    """Objects by path, with versions; and a list of what it was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.asked: list[Request] = []
        self.watches: list[FakeWatch] = []
        self.answers: dict[str, deque[FakeAnswer | KubeError]] = {}
        self.down = False
        self.hangs = False
        self.forbidden: set[str] = set()
        """Namespaces that no role covers."""
        self.kube = Kube(self)

    def verbs(self) -> list[str]:
        """What it was asked, in order."""
        return [request.verb for request in self.asked]

    def next_is(self, verb: str, *answers: FakeAnswer | KubeError) -> None:
        """Answer the next requests of a verb like this, whatever they are."""
        self.answers.setdefault(verb, deque()).extend(answers)

    def put(self, resource: Resource, item: Mapping[str, Any]) -> Object:
        """Have an object, and tell those who watch."""
        path = resource.path_of(key_of(item))
        kind = "MODIFIED" if path in self.objects else "ADDED"
        return self._store(path, dict(item), kind)

    def remove(self, resource: Resource, item: Object) -> None:
        """Have an object no longer, and tell those who watch."""
        path = resource.path_of(key_of(item))
        self._store(path, self.objects[path], "DELETED")
        del self.objects[path]

    def cut(self, error: KubeError | None = CUT) -> None:
        """End all watches."""
        for watch in self.watches:
            watch.end(error)
        self.watches = []

    async def send(self, request: Request) -> FakeAnswer:
        """Answer a request."""
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.down:
            raise CUT
        if _namespace(request.path) in self.forbidden:
            return FakeAnswer(403, status(403, "Forbidden"))
        if waiting := self.answers.get(request.verb):
            answer = waiting.popleft()
            if isinstance(answer, KubeError):
                raise answer
            return answer
        verbs: dict[str, Callable[[Request], FakeAnswer]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
        }
        return verbs[request.verb](request)

    def _get(self, request: Request) -> FakeAnswer:
        if item := self.objects.get(request.path):
            return FakeAnswer(200, item)
        return FakeAnswer(404, status(404, "NotFound"))

    def _list(self, request: Request) -> FakeAnswer:
        items = [item for path, item in self.objects.items() if _is_under(request.path, path)]
        metadata = {"resourceVersion": str(self.version)}
        return FakeAnswer(200, {"items": items, "metadata": metadata})

    def _watch(self, request: Request) -> FakeAnswer:
        watch = FakeWatch(request)
        self.watches.append(watch)
        return watch

    def _create(self, request: Request) -> FakeAnswer:
        item: Any = request.body
        path = f"{request.path}/{item['metadata']['name']}"
        if path in self.objects:
            return FakeAnswer(409, status(409, "AlreadyExists"))
        return FakeAnswer(201, self._store(path, item, "ADDED"))

    def _update(self, request: Request) -> FakeAnswer:
        item: Any = request.body
        current = self.objects.get(request.path)
        if current is None:
            return FakeAnswer(404, status(404, "NotFound"))
        version = item["metadata"].get("resourceVersion")
        if version and version != current["metadata"]["resourceVersion"]:
            return FakeAnswer(409, status(409, "Conflict"))
        return FakeAnswer(200, self._store(request.path, item, "MODIFIED"))

    def _patch(self, request: Request) -> FakeAnswer:
        patch: Any = request.body
        current = self.objects.get(request.path)
        if current is None:
            return FakeAnswer(404, status(404, "NotFound"))
        return FakeAnswer(200, self._store(request.path, {**current, **patch}, "MODIFIED"))

    def _store(self, path: str, item: dict[str, Any], kind: str) -> dict[str, Any]:
        self.version += 1
        metadata = {**item["metadata"], "resourceVersion": str(self.version)}
        stored = {**item, "metadata": metadata}
        self.objects[path] = stored
        for watch in self.watches:
            fields = watch.request.query.get("fieldSelector")
            selected = fields in {None, f"metadata.name={metadata['name']}"}
            if _is_under(watch.request.path, path) and selected:
                watch.say(kind, stored)
        return stored


def _namespace(path: str) -> str:
    return path.partition("/namespaces/")[2].partition("/")[0]


def _is_under(collection: str, path: str) -> bool:
    if "/namespaces/" not in collection:
        path = re.sub("/namespaces/[^/]+(?=/)", "", path)
    return path.startswith(f"{collection}/")
