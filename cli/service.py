"""A service run from a terminal or a pod: signals, reports, errors in one line.

Shared by `layby extproc` and `layby controller`. Must not know what they do.
"""

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import click
from pydantic_settings import BaseSettings

from cli import __version__
from cli.settings import read
from kube.connection import ConfigError
from telemetry.app import Telemetry, telemetry
from telemetry.logs import Verbosity
from telemetry.settings import OtelSettings, TraceSettings

Settings = TypeVar("Settings", bound=BaseSettings)
Settings_contra = TypeVar("Settings_contra", bound=BaseSettings, contravariant=True)


class Service(Protocol[Settings_contra]):
    """What is run."""

    def __call__(
        self, settings: Settings_contra, stopping: asyncio.Event, reports: Telemetry, /
    ) -> Awaitable[None]:
        """Serve until `stopping` is set."""


def serve(name: str, settings_type: type[Settings], run: Service[Settings]) -> None:
    """Read the settings and run until SIGINT or SIGTERM; what is reported outlasts all else.

    Raises:
        click.ClickException: a setting is wrong, or the service cannot run.
    """
    settings = read(settings_type)
    reporting = telemetry(name, __version__, read(OtelSettings), read(TraceSettings))
    try:
        asyncio.run(_until_signalled(settings, run, reporting))
    except* (ConfigError, OSError) as group:
        raise click.ClickException("; ".join(str(e) for e in group.exceptions)) from group


async def _until_signalled(
    settings: Settings,
    run: Service[Settings],
    reporting: AbstractAsyncContextManager[Telemetry],
) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    Verbosity().listen(loop)
    async with reporting as reports:
        await run(settings, stopping, reports)
