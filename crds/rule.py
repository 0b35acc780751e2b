"""A rule that the API server checks in CEL and Layby in Python: both forms, and one message.

Owns how a rule reaches a schema and a validator. Must not know any rule.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_snake
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"
BROKEN = "rule"
"""The type of pydantic's error for a broken rule."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One rule, for an annotated field or (made by `rule`) for a whole model.

    Args:
        cel: the rule for the API server.
        message: what to do when it is broken.
        holds: the rule for Python.
        at: the field within `self` that a complaint points to, as the user writes it.
    """

    cel: str
    message: str
    holds: Callable[[T], bool]
    at: str = ""

    def validation(self) -> dict[str, str]:
        """Return the entry in `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": f".{self.at}"} if self.at else entry

    def enforce(self, value: T) -> T:
        """Return `value` if the rule holds for it."""
        if not self.holds(value):
            raise PydanticCustomError(BROKEN, "{message}", {"message": self.message})
        return value

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.enforce, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        result = handler(schema)
        result[VALIDATIONS] = [*result.get(VALIDATIONS, []), self.validation()]
        return result


def rule(cel: str, message: str, *, at: str = "") -> Callable[[Callable[[T], bool]], Rule[T]]:
    """Make the decorated predicate of a model one of its rules."""

    def decorate(holds: Callable[[T], bool]) -> Rule[T]:
        return Rule(cel, message, holds, at)

    return decorate


def matching(pattern: str, message: str) -> Rule[str]:
    """Make a rule for text; `pattern` must mean the same in RE2 and in Python."""
    return Rule(
        f"self.matches(r'{pattern}')",
        message,
        lambda text: re.fullmatch(pattern, text) is not None,
    )


def not_empty(message: str) -> Rule[Sized]:
    """Make a rule for a list that, if it is there at all, must have an item."""
    return Rule("self.size() > 0", message, lambda items: len(items) > 0)


@dataclass(frozen=True, slots=True, init=False)
class MapBy:
    """Marks a list whose items differ in their keys; two appliers may each own some of them."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)

    def _differ(self, items: Sequence[BaseModel]) -> Sequence[BaseModel]:
        names = [to_snake(key) for key in self.keys]
        count = Counter(tuple(getattr(item, name) for name in names) for item in items)
        if twice := [key for key, times in count.items() if times > 1]:
            what = ", ".join("/".join(map(str, key)) for key in twice)
            raise PydanticCustomError(BROKEN, "listed twice: {what}", {"what": what})
        return items

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._differ, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(self.keys),
        }
