"""What a new user is told to do first, done in an environment that has nothing."""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
import venv
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.address import in_use
from tests.docs.pages import ROOT, blocks

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(600)]

README, QUICKSTART, LOCAL = (
    ROOT / name for name in ("README.md", "docs/quickstart.md", "docs/local.md")
)
PORT = 8080
"""Where `layby local` listens, and what the pages send requests to."""
WITHIN = 30.0


@pytest.fixture(scope="module")
def activated(tmp_path_factory):
    """A command that activates a fresh virtual environment."""
    home = tmp_path_factory.mktemp("user")
    venv.create(home / "venv", with_pip=True)
    return f". {home}/venv/bin/activate"


@pytest.fixture(scope="module")
def shell(activated):
    """Run commands as in a terminal with that environment."""

    def run(command: str, cwd: Path = ROOT) -> str:
        done = subprocess.run(
            ["bash", "-euc", f"{activated}\n{command}"],
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
    assert command in README.read_text()
    assert "Every request was answered as promised." in shell(command)


def test_other_pages_begin_with_the_same_commands():
    """They are not run once more, for it would take as long again."""
    first = steps(README)
    assert [] != first
    assert first == steps(QUICKSTART)
    assert first[:-1] == steps(LOCAL)


def steps(page):
    """The commands of a page's first block, one by one."""
    return [each.strip() for each in re.split(r"&&|\n", blocks(page, "sh")[0]) if each.strip()]


def test_the_example_configuration_is_valid(shell, tmp_path):
    """An example that does not work is worse than none."""
    (tmp_path / "layby.yaml").write_text(blocks(README, "yaml")[0])
    assert "layby.yaml: valid, 1 workload\n" == shell("layby local --check", tmp_path)


@pytest.fixture(params=[README, LOCAL], ids=lambda page: page.name)
def told(request, tmp_path):
    """What a page says about a first workload, its file written: what to run, and meanwhile."""
    (tmp_path / "layby.yaml").write_text(blocks(request.param, "yaml")[0])
    scripts = blocks(request.param, "sh")
    (here,) = (each for each in scripts if each.startswith("layby local --check"))
    (meanwhile,) = (each for each in scripts if each.startswith("curl "))
    return here, meanwhile


def test_a_first_workload_waits_once(activated, shell, told, tmp_path):
    """Two terminals, as the page has it: one command after the other, twice a request, Ctrl-C."""
    if in_use(PORT):
        pytest.skip(f"port {PORT}, which the page tells of, is taken")
    if shutil.which("curl") is None:
        pytest.skip("no curl, which the page has requests sent with")
    here, meanwhile = told
    with terminal(f"{activated}\n{here}", tmp_path) as (process, said):
        wait(lambda: in_use(PORT) or process.poll() is not None)
        assert said().startswith("layby.yaml: valid, 1 workload\n"), said()
        first, second = (timed(shell(meanwhile)) for _ in range(2))
        (page,) = re.findall(r"live page: (http://127\.0\.0\.1:\d+/)", said())
        with urllib.request.urlopen(page, timeout=WITHIN) as answer:
            assert "shop" in answer.read().decode()
        os.killpg(process.pid, signal.SIGINT)
        assert 0 == process.wait(WITHIN), said()
    assert first > second
    assert "local/shop woke in" in said()
    assert not in_use(PORT)


@contextmanager
def terminal(script, folder):
    """Run a script in a group of its own, which Ctrl-C is for; give what it has said."""
    log = folder / "said"
    with log.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, log.read_text
    finally:
        if process.poll() is None:
            # The guard of local mode ends what it had started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait(condition):
    """Wait until something holds."""
    end = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def timed(said):
    """How long a request that was answered took, in seconds."""
    found = re.fullmatch(r"200 after (\d+\.\d+) s\n", said)
    assert found, said
    return float(found[1])
