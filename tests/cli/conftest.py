import os

import pytest
from click.testing import CliRunner

from cli.main import main


@pytest.fixture
def layby():
    """Run the command in this process, with its two streams apart."""

    def run(*arguments: str):
        return CliRunner().invoke(main, arguments, prog_name="layby")

    return run


@pytest.fixture
def no_envoy(monkeypatch, tmp_path):
    """A machine whose Envoy is not where it is said to be."""
    path = tmp_path / "no-envoy"
    monkeypatch.setitem(os.environ, "LAYBY_ENVOY", str(path))
    return path
