"""Settings: read from environment variables, described, and complained of by their names.

Must not know what they are for.
"""

import json
from collections.abc import Iterator
from enum import Enum
from textwrap import wrap
from typing import Literal, TypeVar, get_args, get_origin

import click
from pydantic import BaseModel, ValidationError
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
    lines = ["\b", "Environment variables, each with its default if it has one:"]
    for each in types:
        lines += described(each, each.model_config.get("env_prefix", ""))
    return "\n".join(lines)


def described(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Describe each field of a model: what there is to choose from, its default, what it is for.

    Args:
        model: each of its fields is described there.
        prefix: that of its environment variables, if it is set by them.
    """
    for name, field in model.model_fields.items():
        words = [
            f"{prefix}{name}".upper() if prefix else name,
            "|".join(_choices(field.annotation)),
        ]
        if default := _plain(field.get_default(call_default_factory=True)):
            words.append(f"[{default}]")
        yield "  " + "  ".join(filter(None, words))
        description = " ".join((field.description or "").split())
        yield from wrap(description, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _choices(annotation: object) -> list[str]:
    """Return the values that a type is made of, if they are few."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _plain(value: object) -> str:
    """Return a value as a person would set it; nothing for none."""
    match value:
        case None:
            return ""
        case str():  # a StrEnum's member too
            return f"{value}"
        case frozenset():
            return ",".join(sorted(value))
        case _:
            return json.dumps(value)


def _problems(settings_type: type[BaseSettings], error: ValidationError) -> str:
    """Name the variables, which is what a person has set."""
    prefix = settings_type.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{'_'.join(str(step) for step in problem['loc'])}".upper() + f": {problem['msg']}"
        for problem in error.errors()
    )
