"""A local mesh run from a terminal: signals, logging, scratch folder, errors in one line.

Shared by the subcommands that run one. Must not know what they do while it runs.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from local.app import LocalMesh
from local.config import LocalConfig
from local.envoy import EnvoyError
from local.guard import GuardError

LEVELS = ("debug", "info", "warning", "error")

Body = Callable[[LocalMesh], Coroutine[Any, Any, int]]
"""What to do while a mesh serves; returns the exit code."""


def set_up_logging(level: str) -> None:
    """Log to standard error, also where a live table stands in for it later."""
    handler = _StandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


class _StandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def run(config: LocalConfig, body: Body, *, interrupted: int = 0) -> int:
    """Run `body` beside a mesh that serves; Ctrl-C or SIGTERM ends it, and the mesh drains.

    Returns:
        What `body` returned, `interrupted` if a signal ended it first.

    Raises:
        click.ClickException: the mesh cannot be started, or did not stay up.
    """
    try:
        with TemporaryDirectory(prefix="layby-") as folder:
            code = asyncio.run(_run(config, Path(folder), body))
    except* (EnvoyError, GuardError, OSError) as group:
        raise click.ClickException(str(_first(group))) from group
    return interrupted if code is None else code


async def _run(config: LocalConfig, folder: Path, body: Body) -> int | None:
    mesh = LocalMesh(config, folder)
    ready, stopping = asyncio.Event(), asyncio.Event()
    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    code = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(mesh.run(ready, stopping), name="mesh")
        await ready.wait()
        working = tasks.create_task(body(mesh), name="body")
        working.add_done_callback(lambda _: stopping.set())
        await stopping.wait()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            code = await working
    return code


def stop_signals() -> tuple[signal.Signals, ...]:
    """A closed terminal is one, unless `nohup` says otherwise."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
