"""The programs of the stack: found, or built from the Go modules in `tools/` and kept.

Owns the cache's contents. Must not know how the programs are run.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.stack.releases import ALL, CORES, ISTIO, KEDA, TOOLS, MissingError, Tool

_GO = ("go", "/usr/local/go/bin/go")
ISTIO_CRDS = "crd-all.gen.yaml"
"""Istio's custom resource definitions, as its chart has them."""
KEDA_MANIFESTS = "keda.yaml"
"""All that a release of KEDA applies."""
_ISTIO_FOLDER = "manifests/charts/base/files"
_KEDA_CONFIG = "config/default"
NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager", "pilot-discovery")
"""What a stack runs; the others are for people and for single tests."""
NEEDED_FOR_KEDA = ("kubectl", *KEDA.packages)
"""What it runs besides if it is to have KEDA; and what renders KEDA's manifests."""


def obtain(program: str) -> Path:
    """Return the path of a program, building it if it is nowhere.

    Raises:
        MissingError: it is not there and cannot be built.
    """
    tool = _tool_of(program)
    return locate(program) or _build(tool, program)


def locate(program: str) -> Path | None:
    """Find a program in `$KUBEBUILDER_ASSETS`, then on `PATH`, then in the cache."""
    tool = _tool_of(program)
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        given = Path(assets) / program
        if os.access(given, os.X_OK):
            return given
    on_path = shutil.which(program)
    if on_path and _is_release(tool, program, on_path):
        return Path(on_path)
    kept = tool.folder / program
    return kept if kept.exists() else None


def istio_crds() -> Path:
    """Return the file with Istio's custom resource definitions, of the release that is pinned.

    Raises:
        MissingError: it is not in the cache, and there is no Go to fetch the module with.
    """
    return _kept(
        ISTIO, ISTIO_CRDS, lambda module: (module / _ISTIO_FOLDER / ISTIO_CRDS).read_text()
    )


def keda_manifests() -> Path:
    """Return the file with all that a release of KEDA applies, made as its makers make it.

    Raises:
        MissingError: it is not in the cache, and there is no Go to fetch the module with.
    """

    def render(module: Path) -> str:
        command = [str(obtain("kubectl")), "kustomize", str(module / _KEDA_CONFIG)]
        return _run(command, module, capture=True)

    return _kept(KEDA, KEDA_MANIFESTS, render)


def _kept(tool: Tool, name: str, make: Callable[[Path], str]) -> Path:
    """Return a file of the cache, which is made from the sources of a tool if it is not there."""
    kept = tool.folder / name
    if not kept.exists():
        go, module = _go(f"{tool.name}'s sources"), tool.release.module
        with _lock(tool):
            _run_go(tool, [go, "mod", "download", module])
            found = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]
            part = kept.with_suffix(".part")
            part.write_text(make(Path(_run_go(tool, found, capture=True).strip())))
            part.replace(kept)
    return kept


def _tool_of(program: str) -> Tool:
    return next(tool for tool in ALL if program in tool.packages)


def _is_release(tool: Tool, program: str, path: str) -> bool:
    # kubectl is often on PATH, of any age; two minors off the server it is not supported.
    arguments = tool.version_of.get(program)
    if arguments is None:
        return True
    try:
        told = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tool.release.is_told_by(told.stdout + told.stderr)


def _build(tool: Tool, program: str) -> Path:
    release = tool.release
    go = _go(f"{program} ({release.module} {release.version})")
    kept = tool.folder / program
    with _lock(tool):
        if kept.exists():  # another session has built it meanwhile
            return kept
        _say(f"building {program} of {release.module} {release.version}, once, into {tool.folder}")
        begun = time.monotonic()
        built = kept.with_suffix(".part")
        _run_go(tool, tool.command(go, program, built))
        built.replace(kept)
        _say(f"built {program} in {time.monotonic() - begun:.0f} s")
    return kept


def _go(wanted: str) -> str:
    for name in _GO:
        if go := shutil.which(name):
            return go
    raise MissingError(
        f"no {wanted}: it is not in $KUBEBUILDER_ASSETS, on PATH or in the cache"
        " (~/.cache/layby), and there is no Go to build it with: put Go 1.26 or later on PATH"
    )


def _run_go(tool: Tool, command: list[str], *, capture: bool = False) -> str:
    """Run Go in a tool's module."""
    return _run(command, TOOLS / tool.name, capture=capture)


def _run(command: list[str], folder: Path, *, capture: bool = False) -> str:
    """Run a command; what it has to say goes to standard error."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GOMAXPROCS": str(CORES), "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else sys.stderr.fileno(),
        text=True,
        check=False,
    )
    if done.returncode:
        raise MissingError(f"`{' '.join(command)}` ended with code {done.returncode}")
    return done.stdout or ""


@contextmanager
def _lock(tool: Tool) -> Iterator[None]:
    """Let one session build a tool at a time."""
    tool.folder.mkdir(parents=True, exist_ok=True)
    with (tool.folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
