"""A local mesh run from a terminal: signals, logging, scratch folder, errors in one line.

Shared by the subcommands that run one. Must not know what they do while it runs.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import click

from cli import __version__
from cli.settings import read
from local.app import LocalMesh
from local.config import LocalConfig
from local.envoy import EnvoyError
from local.guard import GuardError
from local.reaper import SCRATCH_PREFIX
from telemetry.app import Telemetry, telemetry
from telemetry.logs import Verbosity
from telemetry.settings import OtelSettings, TraceSettings

ECHO = 0.3
"""Seconds in which further signals are the first one again: a wrapper passes on the Ctrl-C that the
terminal has sent to both of us."""

log = logging.getLogger(__name__)

Body = Callable[[LocalMesh], Coroutine[Any, Any, int]]
"""What to do while a mesh serves; returns the exit code."""


def run(config: LocalConfig, body: Body, *, interrupted: int = 0) -> int:
    """Run `body` beside a mesh that serves; Ctrl-C or SIGTERM ends it, and the mesh drains.

    A second one kills the mesh and ends this process.

    Returns:
        What `body` returned, `interrupted` if a signal ended it first.

    Raises:
        click.ClickException: the mesh cannot be started, or did not stay up; a variable is wrong.
    """
    reporting = telemetry("layby-local", __version__, _quietly(), read(TraceSettings))
    try:
        with TemporaryDirectory(prefix=SCRATCH_PREFIX) as folder:
            code = asyncio.run(_run(config, Path(folder), body, reporting))
    except* (EnvoyError, GuardError, OSError) as group:
        raise click.ClickException(str(_first(group))) from group
    return interrupted if code is None else code


async def _run(
    config: LocalConfig,
    folder: Path,
    body: Body,
    reporting: AbstractAsyncContextManager[Telemetry],
) -> int | None:
    async with reporting as reports:
        mesh = LocalMesh(config, folder, reports.holds, reports.cold_starts)
        return await _serve(mesh, folder, body)


async def _serve(mesh: LocalMesh, folder: Path, body: Body) -> int | None:
    loop = asyncio.get_running_loop()
    Verbosity().listen(loop)
    ready, stopping = asyncio.Event(), asyncio.Event()
    impatience = Impatience()
    code = None

    def on_signal(number: signal.Signals) -> None:
        if impatience.grows_with(number, loop.time()):
            _end_at_once(mesh, folder, number)
        stopping.set()
        if not ready.is_set():  # nobody is served yet who would have to be waited for
            serving.cancel()

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(mesh.run(ready, stopping), name="mesh")
        for number in stop_signals():
            loop.add_signal_handler(number, on_signal, number)
        started = tasks.create_task(ready.wait(), name="ready")
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        if started.cancel():
            return None
        working = tasks.create_task(body(mesh), name="body")
        working.add_done_callback(lambda _: stopping.set())
        await stopping.wait()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            code = await working
    return code


def _quietly() -> OtelSettings:
    """Several may run on one host: none takes the port for Prometheus, unless it is told to."""
    settings = read(OtelSettings)
    if "metrics_exporter" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"metrics_exporter": frozenset()})


class Impatience:
    """Tells the signal that asks for an orderly end from one that asks for an end at once."""

    def __init__(self) -> None:
        self._first_at: float | None = None

    def grows_with(self, number: signal.Signals, now: float) -> bool:
        """Whether somebody has asked before, and asks again."""
        if self._first_at is None:
            self._first_at = now
            return False
        # A shell that ends with its terminal sends SIGHUP too, behind the kernel's.
        return number is not signal.SIGHUP and now >= self._first_at + ECHO


def _end_at_once(mesh: LocalMesh, folder: Path, number: signal.Signals) -> NoReturn:
    """End this process now; its guard sees to what is left, as if it had been killed."""
    log.warning("ending at once")
    mesh.kill()
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(128 + number)


def stop_signals() -> tuple[signal.Signals, ...]:
    """A closed terminal is one, unless `nohup` says otherwise."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
