import sys
from importlib.metadata import PackageNotFoundError

import pytest

from deploy import licences

try:
    licences.render()
except PackageNotFoundError as error:
    pytest.skip(f"{error.name} is not installed", allow_module_level=True)


def test_each_distribution_says_its_licence():
    """One that says none may not be passed on."""
    assert "not said" not in licences.render()


@pytest.mark.parametrize("name", ["layby", "layby[local]", "kubernetes"])
def test_what_dependencies_need_is_needed(name):
    """Most of what is installed nobody here has chosen."""
    assert any(name in users for users in licences.needed().values())


def test_check_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(licences, "PAGE", tmp_path / "licences.md")
    monkeypatch.setattr(sys, "argv", ["licences", "--check"])
    with pytest.raises(SystemExit, match=r"run python -m deploy\.licences"):
        licences.main()
    monkeypatch.setattr(sys, "argv", ["licences"])
    licences.main()
    monkeypatch.setattr(sys, "argv", ["licences", "--check"])
    licences.main()
