import pytest

from cli import __version__
from cli.main import SUBCOMMANDS

BY_OTHERS = frozenset({"local", "status", "explain"})
"""Whose help says by their options what they do."""


def test_help_names_every_subcommand(layby):
    """It is the first thing that anybody types."""
    result = layby("--help")
    assert 0 == result.exit_code
    said = " ".join(result.stdout.split())
    for line in (
        "local Run local processes on demand, behind a real Envoy.",
        "demo See it work: a cold request, warm ones, many at once.",
    ):
        assert line in said


def test_short_option_for_help(layby):
    """Whoever does not know a command tries `-h`."""
    assert layby("--help").stdout == layby("-h").stdout


def test_version(layby):
    """A bug report begins with it."""
    assert f"layby, version {__version__}\n" == layby("--version").stdout


@pytest.mark.parametrize(
    "arguments", [("park",), ("local", "--port", "1"), ("demo", "--port", "x")]
)
def test_wrong_usage_is_told_apart_from_failure(layby, arguments):
    """A script must not take a typo for a mesh that went down."""
    result = layby(*arguments)
    assert 2 == result.exit_code
    assert "Usage: layby" in result.stderr


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_has_a_manual(layby, name):
    """Its help is all that there is on a machine without these pages."""
    result = layby(name, "--help")
    assert 0 == result.exit_code
    assert f"Usage: layby {name}" in result.stdout
    assert "\nOptions:\n" in result.stdout


@pytest.mark.parametrize("name", [name for name in SUBCOMMANDS if name not in BY_OTHERS])
def test_help_ends_with_examples_that_are_commands(layby, name):
    """An example is read first."""
    said = layby(name, "--help").stdout.partition("  Examples:\n")[2]
    lines = [line for line in said.splitlines() if f"layby {name}" in line]
    assert lines
