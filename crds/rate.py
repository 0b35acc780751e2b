"""Rates as Kubernetes writes small quantities: `20`, or `500m` for one in two seconds.

Owns the spelling: API objects hold no floating point numbers. Inside, a rate is a float.
"""

import re
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from crds.rule import VALIDATIONS

PATTERN = "^[1-9][0-9]{0,5}m?$"
_HIGHEST = 999_999
_LONGEST_TEXT = 7
_MESSAGE = f"write a whole number from 1 to {_HIGHEST}, or thousandths such as 500m"


def parse(written: int | str) -> float:
    """Return the rate that is written; raise ValueError if none is."""
    if not re.fullmatch(PATTERN, str(written)):
        raise ValueError(_MESSAGE)
    text = str(written)
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def render(rate: float) -> int | str:
    """Write `rate`, to the thousandth."""
    whole, thousandths = divmod(round(rate * 1000), 1000)
    return f"{whole * 1000 + thousandths}m" if thousandths else whole


def _check(rate: float) -> float:
    if not 0 < rate <= _HIGHEST:
        raise ValueError(_MESSAGE)
    return rate


@dataclass(frozen=True, slots=True)
class PerSecond:
    """Marks a float field as a rate: an integer or text outside."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        written = core_schema.union_schema(
            [core_schema.int_schema(strict=True), core_schema.str_schema(strict=True)]
        )
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(parse, written),
            python_schema=core_schema.no_info_after_validator_function(
                _check, core_schema.float_schema(strict=True)
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                render, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        cel = (
            f"type(self) == int ? self >= 1 && self <= {_HIGHEST} "
            f": string(self).matches('{PATTERN}')"
        )
        return {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": _LONGEST_TEXT,
            VALIDATIONS: [{"rule": cel, "message": _MESSAGE}],
        }
