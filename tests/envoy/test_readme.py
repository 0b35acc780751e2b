"""What the README tells a new user to do, done in an environment that has nothing."""

import re
import subprocess
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run commands as in a terminal with a fresh virtual environment activated."""
    home = tmp_path_factory.mktemp("user")
    venv.create(home / "venv", with_pip=True)

    def run(command: str, cwd: Path = ROOT) -> str:
        done = subprocess.run(
            ["bash", "-euc", f". {home}/venv/bin/activate; {command}"],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_first_command_installs_and_shows_it_working(shell):
    """The first minute decides whether there is a second."""
    command = "pip install '.[local]' && layby demo"
    assert command in README
    assert "Every request was answered as promised." in shell(command)


def test_the_example_configuration_is_valid(shell, tmp_path):
    """An example that does not work is worse than none."""
    example = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert example
    (tmp_path / "layby.yaml").write_text(example[1])
    assert "layby.yaml: valid, 1 workload\n" == shell("layby local --check", tmp_path)
