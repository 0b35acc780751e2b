"""Configurations shown to a real Envoy, which does not run."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ENVOY = shutil.which("envoy")
NEEDS_ENVOY = (
    pytest.mark.envoy,
    pytest.mark.skipif(ENVOY is None, reason="no `envoy` on the path (the `local` extra has it)"),
)


def validate(folder: Path, document: dict[str, Any]) -> tuple[int, str]:
    """The exit status and the complaints of an Envoy that is shown the bootstrap."""
    assert ENVOY is not None
    path = folder / "envoy.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", path, "-l", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr
