"""Durations as Kubernetes and Go write them: `250ms`, `5s`, `1m30s`; inside, seconds as a float.

Owns the spelling and its bounds, for Python and for the API server alike. Must not know what lasts
that long.
"""

import re
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from crds.rule import VALIDATIONS

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_TEXT = re.compile(rf"(?:{_PART.pattern})+")

# GEP-2257's, and decimals, for Go prints 1500 ms as "1.5s". Bounded, so that CEL cannot overflow.
PATTERN = "^([0-9]{1,5}([.][0-9]{1,3})?(ms|s|m|h)){1,4}$"
_LONGEST_TEXT = 48


def parse(text: str) -> float:
    """Return the seconds that `text` says; raise ValueError if it says none."""
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 250ms, 5s or 1m30s")
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def render(seconds: float) -> str:
    """Write `seconds`, which must not be negative, to the millisecond: 90.25 is `1m30s250ms`."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Between:
    """Marks a float field as a duration within bounds: text outside, seconds inside."""

    least: str
    most: str

    @property
    def message(self) -> str:
        """What to write instead."""
        return (
            "write a duration such as 250ms, 5s or 1m30s, "
            f"no shorter than {self.least} and no longer than {self.most}"
        )

    def _read(self, text: str) -> float:
        if not re.fullmatch(PATTERN, text):
            raise ValueError(self.message)
        return self._check(parse(text))

    def _check(self, seconds: float) -> float:
        if not parse(self.least) <= seconds <= parse(self.most):
            raise ValueError(self.message)
        return seconds

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.no_info_after_validator_function(
            self._read, core_schema.str_schema(strict=True)
        )
        number = core_schema.no_info_after_validator_function(
            self._check, core_schema.float_schema(strict=True)
        )
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=number,
            serialization=core_schema.plain_serializer_function_ser_schema(
                render, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        cel = (
            f"self.matches('{PATTERN}') && duration(self) >= duration('{self.least}') "
            f"&& duration(self) <= duration('{self.most}')"
        )
        return {
            "type": "string",
            "maxLength": _LONGEST_TEXT,
            VALIDATIONS: [{"rule": cel, "message": self.message}],
        }
