"""The namespaces that a process is to see, as a variable names them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from kube.settings import Namespaces

NAMESPACES: TypeAdapter[frozenset[str]] = TypeAdapter(Namespaces)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", set()),
        ("shop", {"shop"}),
        (" shop, till,shop ", {"shop", "till"}),
        (["shop", "a-1"], {"shop", "a-1"}),
        (63 * "a", {63 * "a"}),
    ],
)
def test_names_have_commas_between_them(given, read):
    """As lists in variables have elsewhere."""
    assert read == NAMESPACES.validate_python(given)


@pytest.mark.parametrize("wrong", ["Shop", "shop till", "shop,-a", "shop.till", "*", 64 * "a"])
def test_what_is_no_name_is_refused_with_what_to_do(wrong):
    """It would be waited for: nothing is served until each of them is listed."""
    with pytest.raises(ValidationError, match="with commas between them, or nothing for all"):
        NAMESPACES.validate_python(wrong)
