import pytest

from cli import __version__


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
