"""What is checked of a release, and that its version is said once."""

import re

import pytest
import yaml

from cli import __version__
from deploy import release
from deploy.release import ROOT, ReleaseError, check_sdist, check_wheel, packages


def whole() -> set[str]:
    """The files of a good wheel."""
    return {str(path) for package in packages() for path in release._tracked(package)}


def test_a_wheel_has_its_packages_and_nothing_else():
    """A file that is not Python is forgotten easily: the definitions, the assets of a page."""
    good = {*whole(), "layby-1.dist-info/METADATA"}
    check_wheel(good)
    with pytest.raises(ReleaseError, match=r"lacks crds/yaml/layby\.dev_trafficholds\.yaml"):
        check_wheel(good - {"crds/yaml/layby.dev_trafficholds.yaml"})
    with pytest.raises(ReleaseError, match=r"has tests/conftest\.py"):
        check_wheel({*good, "tests/conftest.py"})


def test_all_can_be_built_from_an_sdist():
    """Distributions of Linux do."""
    good = {f"layby-1/{name}" for name in release.IN_SDIST}
    check_sdist(good)
    with pytest.raises(ReleaseError, match=r"lacks LICENSE"):
        check_sdist(good - {"layby-1/LICENSE"})


def test_the_chart_is_of_the_same_version():
    """Its default image has the tag that the version names."""
    chart = yaml.safe_load((ROOT / "deploy/helm/layby/Chart.yaml").read_text())
    assert __version__ == chart["version"] == chart["appVersion"]


def test_the_image_is_made_of_all_packages():
    """One that is left out is missed where it is imported, in a pod."""
    dockerfile = (ROOT / "deploy/image/Dockerfile").read_text()
    let_in = (ROOT / "deploy/image/Dockerfile.dockerignore").read_text().splitlines()
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    assert set(packages()) == copied
    assert {f"!{package}" for package in packages()} <= set(let_in)


def test_the_manual_names_the_version_that_is_built():
    """Whoever follows it to the letter gets what it says."""
    said = (ROOT / "docs/install.md").read_text()
    assert {__version__} == set(re.findall(r"layby:(\d+\.\d+\.\d+)", said))
