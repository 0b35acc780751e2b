"""The chart, as the real helm renders it; and Prometheus' own word on rules and queries."""

import shutil
import subprocess

import pytest
import yaml

from deploy.generate import CHART, NAMESPACE
from e2e.stack.binaries import locate


@pytest.fixture(scope="session")
def helm():
    """Run helm; return how it ended."""
    program = locate("helm")
    if program is None:
        pytest.skip("no helm 3 on PATH, and none built: `python -m e2e.stack.build helm` does it")

    def run(*words, stdin=""):
        command = [program, *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm):
    """Render the chart with some values, given as a mapping; return the objects."""

    def do(values=None, name="layby", namespace=NAMESPACE, versions=()):
        words = ["template", name, CHART, "--namespace", namespace, "--values", "-"]
        for version in versions:
            words += ["--api-versions", version]
        done = helm(*words, stdin=yaml.safe_dump(values or {}))
        assert not done.returncode, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return do


@pytest.fixture(scope="session")
def refuse(helm):
    """Render the chart with values that are wrong; return what is said."""

    def do(values):
        words = ("template", "layby", CHART, "--namespace", NAMESPACE, "--values", "-")
        done = helm(*words, stdin=yaml.safe_dump(values))
        assert done.returncode, "it was accepted"
        return done.stderr

    return do


@pytest.fixture(scope="session")
def promtool():
    """Run promtool; return what it says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool: Debian's package `prometheus` has it")

    def run(*words):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    return run
