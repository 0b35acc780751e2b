"""What goes to the API server and what comes back, whoever carries it.

Owns retries that are always right, the count of requests, and JSON. Must not know resources.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from kube.errors import UnreachableError, refusal

_TRIES = 3
_LONGEST_RETRY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    verb: str
    """What is done, in the words of RBAC."""
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = "application/json"
    timeout_seconds: float = 30.0
    """For all of it, the answer's last byte included."""
    silence_seconds: float | None = None
    """The longest time between two pieces of the answer."""


class Answer(Protocol):
    """The answer to a request; its body may still be on its way."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def retry_after(self) -> str | None:
        """The seconds after which the server wants to be asked again."""

    async def read(self) -> bytes:
        """Return the whole body."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body piece by piece, as it comes."""

    def close(self) -> None:
        """Let go of the connection, which is used again if the body has been read."""


class Transport(Protocol):
    """Whoever carries a request to the API server."""

    async def send(self, request: Request, /) -> Answer:
        """Send a request and return the answer, once its head has come.

        Raises:
            UnreachableError: there was none.
        """


class Sender:
    """Requests, until they are granted or refused for good."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.requests: Counter[str] = Counter()
        """How many were sent, by verb."""

    async def fetch(self, request: Request) -> dict[str, Any]:
        """Send a request and return the object that is its answer.

        Raises:
            KubeError: it was not granted.
        """
        async with self.opened(request) as answer:
            return decoded(await answer.read())

    @asynccontextmanager
    async def opened(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request, and have its answer to read while it comes.

        Raises:
            KubeError: it was not granted.
        """
        answer = await self._granted(request)
        try:
            yield answer
        finally:
            answer.close()

    async def _granted(self, request: Request) -> Answer:
        tries = 0
        while True:
            tries += 1
            self.requests[request.verb] += 1
            answer = await self._transport.send(request)
            if answer.status < 300:  # noqa: PLR2004 - a success, in HTTP
                return answer
            try:
                error = refusal(answer.status, await answer.read(), answer.retry_after)
            finally:
                answer.close()
            seconds = error.retry_after
            if seconds is None or seconds > _LONGEST_RETRY_SECONDS or tries == _TRIES:
                raise error
            # It was not carried out: the server was too busy, or about to start or stop.
            await asyncio.sleep(seconds)


def decoded(body: bytes) -> dict[str, Any]:
    """Return the object that an answer is, or a line of a watch.

    Raises:
        UnreachableError: it is none, so that it is not the API server who answers.
    """
    try:
        item = json.loads(body)
    except ValueError as error:
        raise UnreachableError(0, "Garbled", str(error)) from error
    if not isinstance(item, dict):
        raise UnreachableError(0, "Garbled", f"not an object: {body[:100]!r}")
    return item
