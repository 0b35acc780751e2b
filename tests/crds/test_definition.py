import re

import pytest

from crds.definition import DEFINITIONS
from crds.schema import fields

VERSIONS = {
    f"{definition.kind}.{version.name}": version
    for definition in DEFINITIONS
    for version in definition.versions
}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_columns_and_selectable_fields_exist(version):
    """A column with a typing error in its path is empty for ever, and nobody is told."""
    document = version.to_dict()
    known = {".metadata.creationTimestamp"} | {
        path.replace("[]", "") for path, _ in fields(document["schema"]["openAPIV3Schema"])
    }
    paths = [column["jsonPath"] for column in document["additionalPrinterColumns"]]
    paths += [field["jsonPath"] for field in document.get("selectableFields", ())]
    assert not {re.sub(r"\[.*?\]", "", path) for path in paths} - known


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.kind)
def test_exactly_one_version_is_stored(definition):
    """The API server refuses any other number."""
    assert 1 == sum(version.stored for version in definition.versions)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_a_version_is_that_of_its_model(version):
    """Else Python would read another version than the API server hands out."""
    assert f"layby.dev/{version.name}" == version.model.model_fields["api_version"].default
