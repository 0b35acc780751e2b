"""How a selection is followed: list, watch, watch on, list again, as nested generators.

Owns versions, bookmarks and what to do when the connection or the version is lost. Must not keep
objects.
"""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from kube.backoff import Backoff
from kube.client import PAGE_SIZE, Kube, Listing
from kube.errors import TIMEOUT, GoneError, KubeError, UnreachableError, refused
from kube.request import Request, decoded
from kube.resource import Object, Selection

_GRACE_SECONDS = 10.0
_SHORT_SECONDS = 1.0
_PATIENCE = 5
"""So many failures in a row, and the version is given up: the server may have been restored from a
backup, where it does not exist yet."""


class Kind(StrEnum):
    """What an event says."""

    BEGUN = "BEGUN"
    """Ours: the server has granted the watch, and all that comes will be told."""
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class Event(NamedTuple):
    """One line of a watch."""

    kind: Kind
    item: Object

    @property
    def version(self) -> str:
        """The version to go on from after it."""
        version: str = self.item["metadata"]["resourceVersion"]
        return version


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take."""

    watch_seconds: float = 300.0
    """After which the server ends a watch, give or take a fifth, and we begin another. Whatever
    goes wrong unnoticed is over then: give less where being late costs more than a request."""
    silence_seconds: float = 75.0
    """After which a watch without a word is given up for another, for it may be dead. The server
    sends a bookmark every minute, but not if nothing at all has changed."""
    page_size: int = PAGE_SIZE
    first_retry_seconds: float = 0.1
    longest_retry_seconds: float = 10.0


Happening: TypeAlias = Listing | Event | KubeError
"""All there is, one change to it, or a failure after which it goes on in a while."""


async def follow(kube: Kube, selection: Selection, pace: Pace) -> AsyncGenerator[Happening]:
    """List, and then watch for ever. A failure is told, and got over."""
    loop = asyncio.get_running_loop()
    backoff = Backoff(pace.first_retry_seconds, pace.longest_retry_seconds)
    version = ""
    while True:
        begun = math.inf
        try:
            if not version:
                listing = await _list(kube, selection, pace.page_size)
                version = listing.version
                yield listing
            begun = loop.time()
            async with aclosing(watch(kube, selection, version, pace)) as events:
                async for event in events:
                    version = event.version
                    if event.kind is not Kind.BEGUN:
                        begun = -math.inf
                    yield event
            failure = None
        except KubeError as error:
            failure = error
        if loop.time() - begun > _SHORT_SECONDS:
            backoff.reset()
            if failure is None:
                continue
        # A watch that ends as soon as it begins would keep us and the server busy.
        delay = backoff.next()
        if isinstance(failure, GoneError) or backoff.failures > _PATIENCE:
            version = ""
        if failure is not None:
            yield failure
        await asyncio.sleep(delay)


async def watch(
    kube: Kube, selection: Selection, version: str, pace: Pace
) -> AsyncGenerator[Event]:
    """Watch once, from a version on, until the server ends it or has been silent for long.

    Raises:
        GoneError: the version is too old.
    """
    seconds = pace.watch_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
    query = {
        **selection.query,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(math.ceil(seconds)),
    }
    request = replace(
        Request("watch", "GET", selection.path, query),
        timeout_seconds=seconds + _GRACE_SECONDS,
        silence_seconds=pace.silence_seconds,
    )
    async with kube.opened(request) as answer:
        yield Event(Kind.BEGUN, {"metadata": {"resourceVersion": version}})
        try:
            async for line in _lines(answer.chunks()):
                yield _event(line)
        except UnreachableError as error:
            # Silence is no failure: the next watch will find out whether there is one.
            if error.reason != TIMEOUT:
                raise


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _event(line: bytes) -> Event:
    told = decoded(line)
    try:
        if told["type"] == "ERROR":
            raise refused(told["object"])
        return Event(Kind(told["type"]), told["object"])
    except (KeyError, ValueError) as error:
        raise UnreachableError(0, "Garbled", f"not an event: {line[:100]!r}") from error


async def _list(kube: Kube, selection: Selection, page_size: int) -> Listing:
    try:
        return await kube.list(selection, page_size=page_size)
    except GoneError:
        # The pages are of one version, which may be too old before the last of them is read.
        return await kube.page(selection)
