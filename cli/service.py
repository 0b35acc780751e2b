"""A service run from a terminal or a pod: settings, logging, signals, errors in one line.

Shared by `layby extproc` and `layby controller`. Must not know what they do.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from textwrap import wrap
from typing import TypeVar

import click
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from kube.connection import ConfigError

Settings = TypeVar("Settings", bound=BaseSettings)


def serve(
    settings_type: type[Settings], run: Callable[[Settings, asyncio.Event], Awaitable[None]]
) -> None:
    """Read the settings and run until SIGINT or SIGTERM.

    Raises:
        click.ClickException: a setting is wrong, or the service cannot run.
    """
    try:
        settings = settings_type()
    except ValidationError as error:
        raise click.ClickException(_problems(settings_type, error)) from error
    try:
        asyncio.run(_until_signalled(settings, run))
    except* (ConfigError, OSError) as group:
        raise click.ClickException("; ".join(str(e) for e in group.exceptions)) from group


def variables(settings_type: type[BaseSettings]) -> str:
    """Describe the environment variables of a service, for its help."""
    prefix = settings_type.model_config.get("env_prefix", "")
    lines = ["\b", "Environment variables:"]
    for name, field in settings_type.model_fields.items():
        default = field.default if field.default_factory is None else field.default_factory.__name__
        lines.append(f"  {prefix}{name.upper()}  [{default!r}]")
        lines += wrap(
            field.description or "", 92, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


async def _until_signalled(
    settings: Settings, run: Callable[[Settings, asyncio.Event], Awaitable[None]]
) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await run(settings, stopping)


def _problems(settings_type: type[BaseSettings], error: ValidationError) -> str:
    """Name the variables, which is what a person has set."""
    prefix = settings_type.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{'_'.join(str(step) for step in problem['loc'])}".upper() + f": {problem['msg']}"
        for problem in error.errors()
    )
