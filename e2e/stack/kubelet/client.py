"""The kubelet's view of the API server: requests, and a watch that does not end.

Must not know pods. Survives the API server's absence; what it missed it lists again.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp

from e2e.stack.kubeconfig import Access

Object: TypeAlias = dict[str, Any]

GONE = 410
NOT_FOUND = 404
CONFLICT = 409
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_ERROR = 400
_FOR_NOW = {429, 500, 503, 504}
"""Refusals of a server that is just starting, stopping, or has too much to do."""
_PAUSE_SECONDS = 0.2
_WATCH_SECONDS = 300

log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - an answer
    """The API server's refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects that there are."""

    items: list[Object]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object as it is now, or was when it was deleted."""

    item: Object
    deleted: bool


class Client:
    """A session with the API server."""

    def __init__(self, access: Access) -> None:
        self._server = access.server.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers=access.headers,
            connector=aiohttp.TCPConnector(ssl=access.context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Ask, again and again while there is nobody to answer.

        Raises:
            Refused: there is an answer, and it is a refusal.
        """
        headers = {"Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        while True:
            try:
                async with self._session.request(
                    method, self._server + path, data=data, headers=headers
                ) as answer:
                    told: Object = await answer.json(content_type=None)
                    if answer.status < _ERROR:
                        return told
            except (aiohttp.ClientError, OSError, ValueError) as error:
                log.warning("%s %s: %r", method, path, error)
            else:
                if answer.status not in _FOR_NOW:
                    raise Refused(answer.status, told.get("message", ""))
                log.warning("%s %s: %s %s", method, path, answer.status, told.get("message"))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def watch(self, path: str) -> AsyncIterator[Listed | Changed]:
        """List, then tell every change, for ever."""
        while True:
            listed = await self.request("GET", path)
            yield Listed(listed["items"])
            version = listed["metadata"]["resourceVersion"]
            try:
                async for event in self._events(f"{path}?watch=1&resourceVersion={version}"):
                    yield event
            except (aiohttp.ClientError, OSError, ValueError) as error:
                log.warning("watching %s: %r", path, error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _events(self, path: str) -> AsyncIterator[Changed]:
        url = f"{self._server}{path}&timeoutSeconds={_WATCH_SECONDS}"
        async with self._session.get(url) as answer:
            pending = b""
            # Not by lines, whose length aiohttp bounds.
            async for chunk in answer.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] not in {"ADDED", "MODIFIED", "DELETED"}:
                        return
                    yield Changed(event["object"], event["type"] == "DELETED")
