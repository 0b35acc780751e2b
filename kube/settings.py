"""What a process can be told of the API: the namespaces that it is to see.

Owns how a variable names them. Must not know what is looked for in them.
"""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return frozenset(name for each in value.split(",") if (name := each.strip()))


def _named(value: frozenset[str]) -> frozenset[str]:
    for name in sorted(value):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not the name of a namespace: give names with commas between them, "
                "or nothing for all namespaces"
            )
    return value


Namespaces: TypeAlias = Annotated[
    frozenset[str], NoDecode, BeforeValidator(_split), AfterValidator(_named)
]
"""Names with commas between them; empty for all namespaces."""
