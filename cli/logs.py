"""The options by which a person says how much is logged, and how.

Must not know who logs.
"""

from collections.abc import Callable
from typing import TypeVar

import click

from telemetry.logs import FORMATS

LEVELS = ("debug", "info", "warning", "error")

F = TypeVar("F", bound=Callable[..., object])


def log_options(command: F) -> F:
    """Give a command `--log-level` and `--log-format`."""
    level = click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        default="info",
        show_default=True,
        help="How much to log on standard error. SIGUSR1 has all logged, SIGUSR2 ends that.",
    )
    form = click.option(
        "--log-format",
        type=click.Choice(FORMATS),
        default="console",
        show_default=True,
        help="Lines for people, or one JSON object a line.",
    )
    return level(form(command))
