from pathlib import Path

import pytest

GOOD = """\
workloads:
- name: shop
  command: python serve.py $PORT
- name: api
  command: python api.py
  prefixes: [/api]
"""
BAD = """\
listen: 127.0.0.1:99999
workloads:
- name: Shop
  comand: python serve.py
"""


@pytest.fixture
def file(tmp_path: Path):
    """Write a configuration."""

    def write(text: str) -> Path:
        path = tmp_path / "layby.yaml"
        path.write_text(text)
        return path

    return write


def test_help_says_what_it_does(layby):
    """The options have their defaults beside them."""
    result = layby("local", "--help")
    assert 0 == result.exit_code
    for words in ("-f, --file FILE", "[default: layby.yaml]", "--check", "--log-level", "Ctrl-C"):
        assert words in result.stdout
    assert "--no-page" in result.stdout


@pytest.mark.usefixtures("no_envoy")
def test_check_of_a_good_file(layby, file):
    """A commit hook runs it where there is no Envoy."""
    path = file(GOOD)
    result = layby("local", "-f", str(path), "--check")
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"{path}: valid, 2 workloads\n" == result.stdout


def test_check_of_a_bad_file_names_every_mistake(layby, file):
    """One run, all mistakes, each where an editor can jump to."""
    path = file(BAD)
    result = layby("local", "-f", str(path), "--check")
    assert (1, "") == (result.exit_code, result.stdout)
    for mistake in (
        f"{path}:1: listen: input should be an IP address and a port",
        f"{path}:3: workloads[0].name: input should be a DNS label",
        f"{path}:3: workloads[0].command: field required",
        f"{path}:4: workloads[0].comand: unknown field; did you mean `command`?",
    ):
        assert mistake in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_missing_file_is_named(layby, tmp_path, options):
    """It is the most likely mistake of somebody in the wrong folder."""
    path = tmp_path / "nothing.yaml"
    result = layby("local", "-f", str(path), *options)
    assert (1, f"Error: {path}: no such file\n") == (result.exit_code, result.stderr)


def test_default_file_is_of_the_folder(layby, file, monkeypatch):
    """Like other tools that are run in a project."""
    monkeypatch.chdir(file(GOOD).parent)
    assert "layby.yaml: valid, 2 workloads\n" == layby("local", "--check").stdout


def test_one_workload_is_not_many(layby, file):
    """Whoever writes carelessly may have validated carelessly."""
    path = file("workloads:\n- {name: a, command: serve}\n")
    assert layby("local", "-f", str(path), "--check").stdout.endswith("valid, 1 workload\n")


def test_folder_is_no_file(layby, tmp_path):
    """The message is about the folder, not a stack of ours."""
    result = layby("local", "-f", str(tmp_path), "--check")
    assert 2 == result.exit_code
    assert "is a directory" in result.stderr


@pytest.mark.usefixtures("no_envoy")
def test_bad_file_starts_nothing(layby, file):
    """Not even a look for Envoy, whose absence would hide the mistakes."""
    result = layby("local", "-f", str(file(BAD)))
    assert 1 == result.exit_code
    assert "unknown field" in result.stderr
    assert "Envoy" not in result.stderr


def test_missing_envoy_is_said_in_one_line(layby, file, no_envoy):
    """It is the one dependency that a plain install leaves out."""
    result = layby("local", "-f", str(file(GOOD)))
    assert 1 == result.exit_code
    assert result.stderr.startswith("Error: Envoy cannot be started: ")
    assert str(no_envoy) in result.stderr
    assert 1 == result.stderr.count("\n")
