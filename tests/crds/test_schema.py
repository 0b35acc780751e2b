from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from crds.definition import DEFINITIONS
from crds.model import Model
from crds.rule import VALIDATIONS
from crds.schema import fields, structural

HERE = Path(__file__).parent
SCHEMAS = {
    f"{definition.kind}.{version.name}": version.to_dict()["schema"]["openAPIV3Schema"]
    for definition in DEFINITIONS
    for version in definition.versions
}
FORBIDDEN = {"$ref", "$defs", "title", "const", "examples", "propertyNames", "oneOf", "allOf"}
schemas = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


@schemas
def test_a_schema_is_structural(schema):
    """An API server that finds it not to be so stores unknown fields and fills in no default."""
    for path, field in fields(schema):
        assert not FORBIDDEN & field.keys(), path
        assert field["type"], path
        assert "anyOf" not in field, path
        assert field.get("additionalProperties") is not False, path
        assert field.get("default", ...) is not None, path


@schemas
def test_every_field_is_described(schema):
    """`kubectl explain` is the documentation that everybody has at hand."""
    for path, field in fields(schema):
        if path != ".metadata":
            assert field.get("description", "").endswith("."), path
            assert "`" not in field["description"], path


@schemas
def test_everything_in_a_spec_has_bounds(schema):
    """Unbounded fields cost a rule its budget, and etcd its space."""
    for path, field in fields(schema["properties"]["spec"]):
        match field["type"]:
            case "string":
                assert "maxLength" in field or "enum" in field, path
            case "array":
                assert "maxItems" in field, path
            case "integer":
                assert {"minimum", "maximum"} <= field.keys(), path
            case "object" if "additionalProperties" in field:
                assert "maxProperties" in field, path


@schemas
def test_every_list_says_how_it_is_merged(schema):
    """Without it, two appliers of one list overwrite one another."""
    for path, field in fields(schema):
        if field["type"] == "array":
            assert "x-kubernetes-list-type" in field, path


@schemas
def test_every_rule_has_an_object_that_breaks_it(schema):
    """A rule whose message nobody has seen may be one that never fires."""
    seen = {row["says"] for row in yaml.safe_load((HERE / "bad.yaml").read_text())}
    spec = schema["properties"]["spec"]
    below = [field for _, field in fields(spec)]
    nodes = [schema, spec, *below, *(field["items"] for field in below if "items" in field)]
    rules = [rule for node in nodes for rule in node.get(VALIDATIONS, ())]
    # What an update may do takes two objects: see real/test_admission.py.
    assert {rule["message"] for rule in rules if "oldSelf" not in rule["rule"]} <= seen


def test_a_nested_default_is_whole():
    """The API server checks a default against the rules before it fills it in."""
    hold = SCHEMAS["TrafficHold.v1alpha1"]["properties"]["spec"]["properties"]
    assert {
        "maxReplicas": 100,
        "minReplicas": 0,
        "mode": "Auto",
        "target": {"concurrency": 100},
    } == (hold["scaling"]["default"])
    assert "1m" == hold["hold"]["properties"]["timeout"]["default"]
    assert "default" not in hold["release"]


def test_bounds_are_spelt_as_in_openapi_three():
    """JSON schema has a number where OpenAPI 3.0 has a flag, which the API server wants."""

    class Open(Model):
        """Open at both ends."""

        share: Annotated[float, Field(gt=0, lt=1)]
        """A part."""

    assert {
        "description": "A part.",
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    } == structural(Open)["properties"]["share"]
