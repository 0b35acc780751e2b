"""One rendering at a time for everybody who looks, and none while nobody does.

Owns when a snapshot is taken. Keeps the latest rendering only: a viewer that is slow misses what
came between. Must not know HTTP, nor what is shown.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from page.render import Renderer, Rendering
from page.snapshot import Snapshot
from telemetry.apart import apart

TICK_SECONDS = 0.5
HEARTBEAT_SECONDS = 10.0
"""A viewer that hears nothing for longer cannot tell a quiet page from a lost connection."""
HEARTBEAT = b": \n\n"

log = logging.getLogger(__name__)


class UnavailableError(Exception):
    """There is nothing to show: this ends, or it could not be rendered."""


class Live:
    """The page as it is now.

    Args:
        look: takes a snapshot, at once and in the event loop.
        tick: seconds between two renderings.
    """

    def __init__(self, look: Callable[[], Snapshot], tick: float = TICK_SECONDS) -> None:
        self._look = look
        self._tick = tick
        self._renderer = Renderer()
        self._latest: Rendering | None = None
        self._made_at = float("-inf")
        self._wanted = asyncio.Event()
        self._made = asyncio.Event()
        self._closed = False
        self.viewers = 0
        """Those who look on."""
        self.renderings = 0

    def __repr__(self) -> str:
        return f"<Live {self.viewers} viewers, {self.renderings} renderings>"

    async def run(self) -> None:
        """Render whenever somebody wants it, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._render()
            except Exception:
                # Whoever serves it has more to do than this.
                log.exception("the page cannot be rendered")
                self._latest = None
            made, self._made = self._made, asyncio.Event()
            made.set()
            # Those who look on want the next one as soon as they have sent this one.
            self._wanted.clear()
            await asyncio.sleep(self._tick)

    async def latest(self) -> Rendering:
        """Return a rendering that is hardly older than a tick.

        Raises:
            UnavailableError: there is nothing to show.
        """
        fresh = _now() - self._made_at < self._tick
        if self._latest is not None and fresh and not self._closed:
            return self._latest
        return await self._next()

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Count one more who looks on, from this moment until the end of the block."""
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the page at once, and whenever it is another; sometimes a heartbeat.

        Raises:
            UnavailableError: there is nothing to show.
        """
        seen, said_at = (await self.latest()).event, _now()
        yield seen
        while True:
            latest = (await self._next()).event
            if latest is not seen:
                seen, said_at = latest, _now()
                yield seen
            elif _now() - said_at >= HEARTBEAT_SECONDS:
                yield HEARTBEAT
                said_at = _now()

    def close(self) -> None:
        """Have everybody who waits come to an end."""
        self._closed, self._latest = True, None
        self._made.set()

    async def _next(self) -> Rendering:
        if self._closed:
            raise UnavailableError
        made = self._made
        self._wanted.set()
        await made.wait()
        if self._latest is None:
            raise UnavailableError
        return self._latest

    async def _render(self) -> None:
        snapshot = self._look()
        # A page of hundreds of workloads takes longer than others should wait for the loop.
        rendering = await apart(lambda: self._renderer.render(snapshot), "page")
        self.renderings += 1
        self._made_at = _now()
        if self._latest is not None and rendering.main == self._latest.main:
            # Those who look on have it already, and know it by its identity.
            rendering = replace(rendering, event=self._latest.event)
        self._latest = rendering


def _now() -> float:
    return asyncio.get_running_loop().time()
