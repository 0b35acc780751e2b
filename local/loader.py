"""`layby.yaml` from disk: every problem at once, each with its file, line and field.

Owns reading the file and wording what is wrong with it. Must not know what the fields are for.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from local import config
from local.config import LocalConfig
from local.fields import BASE
from local.source import Problem, Source, SourceError, quote

_MESSAGES = {
    "missing": "field required",
    "model_type": "input should be a mapping of fields",
    "dict_type": "input should be a mapping",
    "tuple_type": "input should be a list",
    "string_type": "input should be text",
}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class ConfigError(Exception):
    """The configuration cannot be used; its text has one line for each problem."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(_describe(path, problem) for problem in self.problems))


def load(path: Path) -> LocalConfig:
    """Read a configuration file, or raise ConfigError with all that is wrong with it."""
    try:
        source = Source(_read(path))
    except SourceError as error:
        raise ConfigError(path, [error.problem]) from error
    problems = list(source.repeated_keys)
    try:
        result = LocalConfig.model_validate(source.value, context={BASE: path.absolute().parent})
    except ValidationError as error:
        problems += (_problem(detail, source) for detail in error.errors(include_url=False))
        raise ConfigError(path, problems) from error
    if problems:
        raise ConfigError(path, problems)
    return result


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(Problem("no such file")) from error
    except OSError as error:
        raise SourceError(Problem(f"cannot be read: {error.strerror}")) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(Problem("is not UTF-8 text", line=line)) from error


def _describe(path: Path, problem: Problem) -> str:
    place = [str(path)]
    place += (str(number) for number in (problem.line, problem.column) if number is not None)
    field = f"{problem.field}: " if problem.field else ""
    return f"{':'.join(place)}: {field}{problem.message}"


def _problem(detail: ErrorDetails, source: Source) -> Problem:
    place = source.find(detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            message = f"unknown field{_suggestion(detail['loc'])}"
        case "missing" | config.CONFLICT:
            message = _message(detail)
        case _:
            got = "" if place.node is None else f" (got {quote(place.node)})"
            message = _message(detail) + got
    return Problem(message, place.field, place.line)


def _message(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "string_type" and isinstance(detail["input"], int | float):
        return "input should be text: put it in quotes"
    message = _MESSAGES.get(kind, detail["msg"])
    return message[:1].lower() + message[1:]


def _suggestion(location: Sequence[str | int]) -> str:
    fields = _model_at(location[:-1]).model_fields
    name = _CAPITAL.sub("_", str(location[-1])).lower()
    close = get_close_matches(name, fields, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def _model_at(location: Sequence[str | int]) -> type[BaseModel]:
    model: type[BaseModel] = LocalConfig
    for step in location:
        if isinstance(step, str):
            annotation = model.model_fields[step].annotation
            model = next(
                kind
                for kind in (annotation, *get_args(annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            )
    return model
