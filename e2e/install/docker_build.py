"""What `docker build` is given: the files that the image is made of, and where pip finds packages.

Must not know the engine.
"""

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = "deploy/image/Dockerfile"


def index():
    """Where this machine's pip finds packages, as build arguments."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", done.stdout, re.MULTILINE)
    variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in found}
    names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT")
    return {name: variables[name] for name in names if name in variables}


def context():
    """What the image is made of, as `docker build` would send it: what is not ignored."""
    ignore = (ROOT / f"{DOCKERFILE}.dockerignore").read_text()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in (DOCKERFILE, *re.findall(r"^!(.+)$", ignore, re.MULTILINE)):
            archive.add(ROOT / name, name, filter=lambda m: None if "__pycache__" in m.name else m)
    file.seek(0)
    return file
