"""A whole API object: read from a dictionary with every problem named, and written to one.

Owns the envelope. Must not know any kind, nor where the dictionary came from.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from crds.model import Model, Timestamp
from crds.rule import BROKEN

_MESSAGES = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "dict_type": "must be an object",
}


class Problem(NamedTuple):
    """What is wrong with one field; `path` is as the API server writes it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidResourceError(Exception):
    """An object that breaks its schema; the text has one line for each problem."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{name}: {problem}" for problem in self.problems))


class Metadata(Model):
    """The part of ObjectMeta that Layby reads."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None


class Resource(Model):
    """An API object."""

    api_version: str
    kind: str
    metadata: Metadata = Metadata()

    @classmethod
    def parse(
        cls, document: Mapping[str, object], *, unknown: Literal["forbid", "ignore"] = "forbid"
    ) -> Self:
        """Read an object, or raise InvalidResourceError with all that is wrong with it.

        Forbid unknown fields in what a person wrote. Ignore them in what an API server hands out:
        it has refused typing errors already, and what remains is of a later version of the schema.
        """
        # Through JSON, for only there may enumerations, tuples and times be text when all else is
        # strict. A YAML file may have given a time as one.
        text = json.dumps(document, default=str)
        # Metadata has a will of its own, which `forbid` would override.
        extra = None if unknown == "forbid" else unknown
        try:
            return cls.model_validate_json(text, extra=extra, by_alias=True, by_name=False)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidResourceError(
                _name(document, cls.__name__), (_problem(detail) for detail in details)
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it is sent to an API server."""
        document = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        # Identity that is not known must not be sent as an empty one.
        document["metadata"] = self.metadata.model_dump(
            mode="json", by_alias=True, exclude_defaults=True
        )
        return document


def _name(document: Mapping[str, object], kind: str) -> str:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return kind
    parts = (metadata.get("namespace"), metadata.get("name"))
    return " ".join([kind, "/".join(str(part) for part in parts if part)]).strip()


def _problem(detail: ErrorDetails) -> Problem:
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"]
    ).removeprefix(".")
    match detail["type"]:
        case "value_error":
            message = str(detail["ctx"]["error"])
        case "too_long":
            message = f"must have at most {detail['ctx']['max_length']} items"
        case _ if detail["type"] == BROKEN:
            message = detail["msg"]
        case kind:
            message = _MESSAGES.get(kind, detail["msg"])
            message = message[:1].lower() + message[1:]
    return Problem(path, message)
