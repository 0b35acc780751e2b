"""Work that blocks, in a thread of its own that nobody has to wait for.

Owns the way back to the event loop. Must not know the work.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], T], name: str) -> T:
    """Do `work`, and return what it returns.

    Whoever is tired of waiting may cancel. The work then ends by itself, or with the process: a
    thread of the loop's own executor would be waited for at the end, for minutes.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(tell: Callable[[], None]) -> None:
        if not future.done():
            tell()

    def run() -> None:
        tell: Callable[[], None]
        try:
            tell = partial(future.set_result, work())
        except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
            tell = partial(future.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended without waiting
            loop.call_soon_threadsafe(settle, tell)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
