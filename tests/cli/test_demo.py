import pytest

from cli.demo import Reply, configuration
from local import samples


def test_help_says_what_it_does(layby):
    """It needs no file, and the help says so."""
    result = layby("demo", "--help")
    assert 0 == result.exit_code
    for words in ("Nothing needs to be configured.", "--port", "--stay"):
        assert words in " ".join(result.stdout.split())


def test_its_configuration_is_valid_and_runs_the_samples():
    """The demo must not be able to fail for its own configuration."""
    config = configuration(18_080)
    assert ("127.0.0.1", 18_080) == config.listen
    assert ["slow", "broken"] == [workload.name for workload in config.workloads]
    for workload in config.workloads:
        assert f"{samples.__path__[0]}/{workload.name}.py" in workload.command


@pytest.mark.usefixtures("no_envoy")
def test_missing_envoy_is_said_in_one_line(layby):
    """Somebody's first contact is this command."""
    result = layby("demo")
    assert 1 == result.exit_code
    assert result.stderr.startswith("Error: Envoy cannot be started: ")
    assert "Traceback" not in result.stderr


def test_reply_cannot_be_changed():
    """What was promised is judged by what came."""
    with pytest.raises(AttributeError):
        Reply(200, 0.1, "", "").status = 500  # type: ignore[misc]  # that is the test
