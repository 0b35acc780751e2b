"""What is logged and how: one line for people or one JSON object each, with trace ids.

Owns the two formats and the level, which signals change while the process runs. Must not know who
logs.
"""

import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from typing import Final

FORMATS: Final = ("console", "json")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; all else was given as `extra`."""


def set_up(level: str, form: str = "console") -> None:
    """Log to standard error."""
    handler = _StandardError()
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def trace_ids(trace_id: int, span_id: int) -> dict[str, str]:
    """What to give as `extra`, so that a line leads to its trace."""
    if not trace_id:
        return {}
    return {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}


class ConsoleFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides
        """Add what was given as `extra`."""
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        return f"{super().formatMessage(record)}{extra}"


class JsonFormatter(logging.Formatter):
    """Objects for machines; trace ids have the names that OpenTelemetry gives them."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str, ensure_ascii=False)


class Verbosity:
    """The level, which two signals change: SIGUSR1 to debug, SIGUSR2 back to what it was.

    `kubectl exec POD -- python -c 'import os; os.kill(1, 10)'` needs no port, no token and no
    permission of its own, nor a shell in the image.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger()
        self._usual = self._logger.level

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Heed the signals from now on."""
        loop.add_signal_handler(signal.SIGUSR1, self.debug)
        loop.add_signal_handler(signal.SIGUSR2, self.usual)

    def debug(self) -> None:
        """Log everything."""
        self._logger.setLevel(logging.DEBUG)
        self._logger.warning("logging at level debug, until SIGUSR2")

    def usual(self) -> None:
        """Log as it was asked for at the start."""
        self._logger.setLevel(self._usual)
        self._logger.warning("logging at level %s", logging.getLevelName(self._usual).lower())


class _StandardError(logging.Handler):
    """Standard error as it is now: a live table may stand in for it later."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
