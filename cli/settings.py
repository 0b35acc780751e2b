"""Settings from environment variables: read, described, and complained of by their names.

Must not know what they are for.
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import TypeVar

import click
from pydantic import ValidationError
from pydantic_settings import BaseSettings

Settings = TypeVar("Settings", bound=BaseSettings)


def read(settings_type: type[Settings]) -> Settings:
    """Read settings from the environment.

    Raises:
        click.ClickException: one of them is wrong.
    """
    try:
        return settings_type()
    except ValidationError as error:
        raise click.ClickException(_problems(settings_type, error)) from error


def variables(*types: type[BaseSettings]) -> str:
    """Describe the environment variables of a service, for its help."""
    lines = ["\b", "Environment variables:"]
    for each in types:
        lines += _variables(each)
    return "\n".join(lines)


def _variables(settings_type: type[BaseSettings]) -> Iterator[str]:
    prefix = settings_type.model_config.get("env_prefix", "")
    for name, field in settings_type.model_fields.items():
        default = field.default if field.default_factory is None else field.default_factory.__name__
        shown = ",".join(sorted(default)) if isinstance(default, frozenset) else default
        yield f"  {prefix}{name.upper()}  [{shown!r}]"
        yield from wrap(
            field.description or "", 92, initial_indent=" " * 6, subsequent_indent=" " * 6
        )


def _problems(settings_type: type[BaseSettings], error: ValidationError) -> str:
    """Name the variables, which is what a person has set."""
    prefix = settings_type.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{'_'.join(str(step) for step in problem['loc'])}".upper() + f": {problem['msg']}"
        for problem in error.errors()
    )
