"""A warning that is not repeated as often as there is reason for it: others choose how often.

Must not know what it says.
"""

import asyncio
import logging

SILENT_SECONDS = 60.0


class Seldom:
    """Warns once in so many seconds at most."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._until = 0.0

    def warn(self, *args: object) -> None:
        """Warn, unless that was done a moment ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._until = now + SILENT_SECONDS
            self._log.warning(self._message, *args)
