"""Whether an object is as it was applied last, so that steady state writes nothing.

Owns the mark that an applied object carries. Must not know what is applied. No I/O.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from kube.resource import Object

APPLIED = "layby.dev/applied"
"""On what Layby makes: a digest of what was applied. Without it, what a later version leaves out
could not be told from what others have added."""
_DIGITS = 16


def stamped(item: Object) -> Object:
    """Return an object with the mark."""
    metadata = item["metadata"]
    annotations = {**(metadata.get("annotations") or {}), APPLIED: digest(item)}
    return {**item, "metadata": {**metadata, "annotations": annotations}}


def is_current(wanted: Object, actual: Object | None) -> bool:
    """Whether what is there has all that is wanted; what others have added does not matter.

    `wanted` carries the mark.
    """
    return has(actual, wanted)


def has(actual: object, wanted: object) -> bool:
    """Whether a value has all that is wanted of it; a list has to be as long, too."""
    return _has(actual, wanted, within="")


def digest(item: Object) -> str:
    """Return a short text that is another for another object."""
    text = json.dumps(item, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _has(actual: object, wanted: object, within: str) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(
            # Built-in kinds leave out what lists and watches have said already.
            (key in {"apiVersion", "kind"} and not within and key not in actual)
            or (key in actual and _has(actual[key], value, f"{within}.{key}"))
            for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(actual, Sequence)
            and len(actual) == len(wanted)
            and all(_has(*pair, f"{within}[]") for pair in zip(actual, wanted, strict=True))
        )
    return actual == wanted
