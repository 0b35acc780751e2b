"""Durations as people write them in YAML: `250ms`, `5s`, `1m30s`, or a plain number of seconds.

Owns the one spelling; inside the program a duration is a float of seconds.
"""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 1e12
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WHOLE = re.compile(rf"(-?)((?:{_PART.pattern})+|\d+(?:\.\d+)?)")


def seconds(value: object) -> float:
    """Read a duration; raise ValueError if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = min(value, _LONGEST)  # an integer may be too long for a float
        if math.isfinite(value):
            return float(value)
    match = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("input should be a duration such as 250ms, 5s or 2m")
    sign, text = match.group(1), match.group(2)
    parts = _PART.findall(text)
    total = sum(float(amount) * _UNITS[unit] for amount, unit in parts) if parts else float(text)
    return -total if sign else total


Duration = Annotated[float, BeforeValidator(seconds)]
