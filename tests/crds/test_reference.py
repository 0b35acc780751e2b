import re
from typing import Any

import pytest
import yaml

from crds.definition import DEFINITIONS
from crds.generate import PAGES, render_pages
from crds.reference import EXAMPLES, page
from crds.v1alpha1 import HoldPolicy, TrafficHold

MODELS = {"TrafficHold": TrafficHold, "HoldPolicy": HoldPolicy}


def paths(schema, path=""):
    """Every field of a schema."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from paths(field, f"{path}{name}.")
        yield from paths(field.get("items", {}), f"{path}{name}[].")


def test_the_pages_are_current():
    """They are what people read instead of the definitions."""
    assert render_pages() == {name: (PAGES / name).read_text() for name in render_pages()}


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)
def test_every_field_is_described_and_none_else(definition):
    """A field that is not on the page is not there for whoever reads it."""
    (version,) = definition.to_dict()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    wanted = {path for path in paths(schema) if path.startswith(("spec.", "status."))}
    found = re.findall(r"^### `(.*)`$", page(definition), re.MULTILINE)
    assert wanted == set(found)
    assert len(found) == len(wanted)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_examples_are_valid(kind):
    """They are copied."""
    model: Any = MODELS[kind]
    assert kind == model.parse(yaml.safe_load(EXAMPLES[kind])).kind


def test_what_must_be_given_is_said():
    (definition, _) = DEFINITIONS
    assert "### `spec.targetRef.name`\n\n*string*" in page(definition)
    line = page(definition).partition("### `spec.targetRef.name`\n\n")[2].partition("\n")[0]
    assert line.endswith("**required**")
