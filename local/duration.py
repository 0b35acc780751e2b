"""Durations as people write them in YAML: `250ms`, `5s`, `1m30s`, or a plain number of seconds.

Owns what a file may say beyond the spelling of Kubernetes: numbers, and a sign for bounds to
refuse. Inside the program a duration is a float of seconds.
"""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator

from crds.duration import parse

_LONGEST = 1e12
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def seconds(value: object) -> float:
    """Read a duration; raise ValueError if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = min(value, _LONGEST)  # an integer may be too long for a float
        if math.isfinite(value):
            return float(value)
    if isinstance(value, str):
        text = value.strip()
        size = text.removeprefix("-")
        try:
            amount = float(size) if _NUMBER.fullmatch(size) else parse(size)
        except ValueError:
            pass
        else:
            return amount if size == text else -amount
    raise ValueError("input should be a duration such as 250ms, 5s or 2m")


Duration = Annotated[float, BeforeValidator(seconds)]
