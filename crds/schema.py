"""Pydantic's JSON schema of a model, turned into a structural schema for the API server.

Owns what a structural schema may hold: no references, no alternatives with null, OpenAPI's own
spelling of bounds. Must not know any model.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

# JSON is not worth a recursive type here: every step looks at what it has.
Schema: TypeAlias = dict[str, Any]

_ORDER = ("description", "type", "format", "enum", "default")
_NULL = {"type": "null"}
_EMPTY: tuple[object, ...] = ([], {}, "")
"""Defaults that would only fill every stored object with nothing."""


class _Generator(GenerateJsonSchema):
    """Defaults as a user would write them, and whole.

    The API server checks a default against the rules before it fills in the defaults within.
    """

    def encode_default(self, dft: object) -> object:
        if isinstance(dft, tuple):
            return [_written(item) for item in dft]
        return _written(dft)


def _written(value: object) -> object:
    if isinstance(value, BaseModel):
        return _without_empty(value.model_dump(mode="json", by_alias=True, exclude_none=True))
    return to_jsonable_python(value)


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    shorter = {key: _without_empty(v) if isinstance(v, dict) else v for key, v in value.items()}
    return {key: v for key, v in shorter.items() if v not in _EMPTY}


def structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of `model`."""
    # Of the two modes this is the one that writes a default as its field does: "60s", not 60.0.
    document = model.model_json_schema(schema_generator=_Generator, mode="serialization")
    return _clean(document, document.pop("$defs", {}))


def _clean(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    merged = _resolve(node, definitions)
    result = {key: merged[key] for key in _ORDER if key in merged}
    result |= {key: value for key, value in merged.items() if key not in _ORDER and key != "title"}
    if result.get("additionalProperties") is False:
        del result["additionalProperties"]  # the API server prunes or refuses them itself
    if result.get("default", ...) in (None, *_EMPTY):
        del result["default"]
    if "const" in result:
        result["enum"] = [result.pop("const")]
    _describe(result)
    _bound(result)
    for key in ("items", "additionalProperties"):
        if key in result:
            result[key] = _clean(result[key], definitions)
    if "properties" in result:
        fields = result["properties"].items()
        result["properties"] = {name: _clean(field, definitions) for name, field in fields}
    if result.get("type") == "array":
        result.setdefault("x-kubernetes-list-type", "atomic")
    return result


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    """Replace a reference, or a choice between something and null, by what it stands for."""
    rest = dict(node)
    if "$ref" in rest:
        name = rest.pop("$ref").rpartition("/")[2]
        return _resolve({**definitions[name], **rest}, definitions)
    if _NULL in rest.get("anyOf", ()):
        (choice,) = (option for option in rest.pop("anyOf") if option != _NULL)
        return _resolve({**choice, **rest}, definitions)
    return rest


def _describe(node: Schema) -> None:
    """Join the lines of each paragraph, and name a plain default: `kubectl explain` does not."""
    sentences = [
        re.sub(r"\s*\n\s*", " ", paragraph.strip())
        for paragraph in node.get("description", "").split("\n\n")
    ]
    default = node.get("default")
    if isinstance(default, str | int) and default is not False:
        sentences[-1] = f"{sentences[-1]} Default: {default}.".strip()
    text = "\n\n".join(sentence for sentence in sentences if sentence)
    if text:
        node["description"] = text


def _bound(node: Schema) -> None:
    """Say numeric bounds as OpenAPI 3.0 does."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node:
            node[bound] = node.pop(exclusive)
            node[exclusive] = True


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Walk a structural schema: the path and the schema of every field, parents first."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, field
        yield from fields(field, here)
        if "items" in field:
            yield from fields(field["items"], f"{here}[]")
