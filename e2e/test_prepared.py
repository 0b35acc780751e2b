"""What a test runs in the stack's network is there before it: seen from a session of its own."""

import os
import shutil
import subprocess
import sys

import pytest

from e2e.stack.binaries import ISTIO_CRDS, NEEDED, istio_crds, obtain
from e2e.stack.releases import ISTIO
from e2e.stack.whole import ROOT

pytestmark = [
    pytest.mark.kube,
    # Its programs are there then, and in the other session they are not what is built.
    pytest.mark.usefixtures("stack"),
    pytest.mark.skipif(bool(shutil.which("istioctl")), reason="istioctl is there already"),
]
GO = r"""#!/bin/sh
# `go build … -o TARGET PACKAGE`: what it makes tells in which network that was.
until [ "$1" = -o ]; do shift; done
printf '#!/bin/sh\necho %s\n' "$(readlink /proc/self/ns/net)" >"$2"
chmod +x "$2"
"""
NO_GO = """#!/bin/sh
exit 7
"""
TEST = """
import os, subprocess

def test_it(istioctl):
    said = subprocess.run([istioctl], capture_output=True, text=True, check=True).stdout.strip()
    assert said.startswith("net:")
    assert said != os.readlink("/proc/self/ns/net")
"""


@pytest.fixture
def session(tmp_path):
    """Run a session whose one test asks for istioctl, with some Go; return what it prints."""

    def run(go, *options):
        programs, cache = tmp_path / "programs", tmp_path / "cache"
        kept = cache / "layby" / ISTIO.folder.name
        programs.mkdir()
        kept.mkdir(parents=True)
        (kept / ISTIO_CRDS).symlink_to(istio_crds())
        for program in NEEDED:
            (programs / program).symlink_to(obtain(program))
        (programs / "go").write_text(go)
        (programs / "go").chmod(0o755)
        test = tmp_path / "test_it.py"
        test.write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml"]
        environment = os.environ | {
            "KUBEBUILDER_ASSETS": str(programs),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(cache),
        }
        return subprocess.run(
            [*command, "-p", "e2e.conftest", "-p", "no:cacheprovider", *options, test],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        ).stdout

    return run


def test_a_program_is_built_outside_the_network(session):
    """Inside nothing can be downloaded."""
    said = session(GO, "--stack-required")
    assert "1 passed" in said, said


@pytest.mark.parametrize(
    ("options", "outcome"),
    [((), "1 skipped"), (("--stack-required",), "1 error")],
    ids=["by default", "required"],
)
def test_what_lacks_a_program_says_so(session, options, outcome):
    """A gate that leaves tests out must not be green."""
    said = session(NO_GO, *options)
    assert outcome in said, said
    assert "ended with code 7" in said, said
