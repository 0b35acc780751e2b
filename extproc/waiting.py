"""Waiting for an event, but not for ever.

Must not know what happens.
"""

import asyncio


async def happens(event: asyncio.Event, within: float | None) -> bool:
    """Wait until an event is set; return whether it was, within so many seconds."""
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False
