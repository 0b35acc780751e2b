"""A warning that is not repeated as often as there is reason for it: others choose how often.

Must not know what it says, nor of whom.
"""

import asyncio
import logging

SILENT_SECONDS = 60.0
MOST = 100
"""Peers remembered at once: whoever has many addresses fills neither the memory nor the log."""


class Seldom:
    """Warns once in so many seconds at most, and then says how often it did not.

    Args:
        log: where.
        message: with a place for each argument of `warn`.
    """

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._after_others = f"{message} (left out since the last one: %d)"
        self._told: dict[str, float] = {}
        """Of whom, and when; the earliest first."""
        self._left_out = 0

    def warn(self, *args: object, of: str = "") -> None:
        """Warn, unless that was done a moment ago: of this peer, if it is about one."""
        now = asyncio.get_running_loop().time()
        while self._told and now - next(iter(self._told.values())) >= SILENT_SECONDS:
            del self._told[next(iter(self._told))]
        if of in self._told or len(self._told) >= MOST:
            self._left_out += 1
            return
        self._told[of] = now
        left_out, self._left_out = self._left_out, 0
        if left_out:
            self._log.warning(self._after_others, *args, left_out)
        else:
            self._log.warning(self._message, *args)
