"""The `helm` that this chart is tested with: found, or built from the Go module in `helm/tools`.

Owns its place in the cache. Must not know what it is run for.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from e2e.stack.releases import CORES, MissingError, cache

TOOLS = Path(__file__).with_name("helm") / "tools"
MODULE = "helm.sh/helm/v3"
_GO = ("go", "/usr/local/go/bin/go")


def obtain() -> Path:
    """Return the path of `helm`, building it if it is nowhere.

    Raises:
        MissingError: it is not there and cannot be built.
    """
    return locate() or _build()


def locate() -> Path | None:
    """Find it in the cache, then on `PATH` if it is of the same major release."""
    kept = _kept()
    if kept.exists():
        return kept
    on_path = shutil.which("helm")
    if on_path is None:
        return None
    told = subprocess.run(  # noqa: S603 - it is helm, or calls itself so
        [on_path, "version", "--short"], capture_output=True, text=True, timeout=20, check=False
    )
    return Path(on_path) if told.stdout.startswith("v3.") else None


def version() -> str:
    """Return the release that is pinned.

    Raises:
        MissingError: none is.
    """
    return _found(rf"^require {re.escape(MODULE)} (v\S+)$")


def _kept() -> Path:
    return cache() / f"helm-{version()}" / "helm"


def _variables() -> Iterator[str]:
    """Tell it what it is, and which Kubernetes it knows, as its own build does."""
    yield f"-X {MODULE}/internal/version.version={version()}"
    minor = _found(r"^\tk8s\.io/client-go v0\.(\d+)\.")
    for package in ("chartutil", "lint/rules"):
        for part, value in (("Major", "1"), ("Minor", minor)):
            yield f"-X {MODULE}/pkg/{package}.k8sVersion{part}={value}"


def _found(pattern: str) -> str:
    found = re.search(pattern, (TOOLS / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise MissingError(f"{TOOLS / 'go.mod'} has nothing like {pattern}")
    return found[1]


def _build() -> Path:
    kept = _kept()
    go = next(filter(None, map(shutil.which, _GO)), None)
    if go is None:
        raise MissingError("no helm: it is neither on PATH nor in the cache, and there is no Go")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():  # another session may have built it meanwhile
            part = kept.with_suffix(".part")
            ldflags = f"-s -w {' '.join(_variables())}"
            command = [
                *(go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
                *("-p", str(CORES), "-ldflags", ldflags, "-o", str(part), f"{MODULE}/cmd/helm"),
            ]
            environment = {**os.environ, "GOMAXPROCS": str(CORES), "GOWORK": "off"}
            done = subprocess.run(command, cwd=TOOLS, env=environment, check=False)  # noqa: S603
            if done.returncode:
                raise MissingError(f"`{' '.join(command)}` ended with code {done.returncode}")
            part.replace(kept)
    return kept
