"""What has left a workload's process group, and is known by its environment or its parents.

Hunts it off the event loop, with the guard's own means. Must not know workloads nor their ends.
"""

import asyncio
import itertools
import uuid
from collections.abc import Iterator

from local.guard import START_MARKER
from local.reaper import Group, Hunt

_SHORTEST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2
"""Each look goes through all processes of the machine."""
_QUIET_SECONDS = 0.02
"""A daemon may fork and end in the middle of one look, and be missed with its child: so two."""


class Leftovers:
    """The daemons of one start of a workload, found by what `environment` gave them."""

    def __init__(self) -> None:
        self._start = uuid.uuid4().hex
        self._hunting = False

    @property
    def environment(self) -> dict[str, str]:
        """What the workload and all below it carry."""
        return {START_MARKER: self._start}

    async def end(self, group: Group, grace_seconds: float) -> bool:
        """End all that is left, politely first; tell whether nothing is, or others see to it."""
        if self._hunting:  # each target is asked once
            return True
        self._hunting = True
        try:
            marker = f"{START_MARKER}={self._start}"
            hunt = Hunt([group], marker, quiet_seconds=_QUIET_SECONDS)
            hunt.begin(max(grace_seconds, 0.0))
            pause = pauses()
            # In a thread: it reads the environment of every process.
            while (cleared := await asyncio.to_thread(hunt.round)) is None:
                await asyncio.sleep(next(pause))
            return cleared
        finally:
            self._hunting = False


def pauses() -> Iterator[float]:
    """Yield how long to wait before each next look: most processes go at once, some never."""
    pause = _SHORTEST_PAUSE_SECONDS
    while pause < _LONGEST_PAUSE_SECONDS:
        yield pause
        pause *= 2
    yield from itertools.repeat(_LONGEST_PAUSE_SECONDS)
