"""Who was refused lately, so that it is said now and then only.

Pure: `now` is monotonic seconds. Must not know what they were refused.
"""

SILENT_SECONDS = 60.0
MOST = 100
"""Peers remembered at once: whoever has many addresses fills neither the memory nor the log."""


class Refusals:
    """Which refusals are news."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def is_news(self, peer: str, now: float) -> bool:
        """Whether a refusal is to be told of; asking is taken for telling."""
        self._told = {known: at for known, at in self._told.items() if now - at < SILENT_SECONDS}
        if peer in self._told or len(self._told) >= MOST:
            return False
        self._told[peer] = now
        return True
