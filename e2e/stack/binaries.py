"""The programs of the stack: found, or built from the Go modules in `tools/` and kept.

Owns the cache (`$XDG_CACHE_HOME/layby/TOOL-VERSION/`). Must not know how they are run.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).with_name("tools")
CORES = 2
"""A build must leave room for whatever else runs on the machine."""
_GO = ("go", "/usr/local/go/bin/go")
_CRDS = "manifests/charts/base/files/crd-all.gen.yaml"


class MissingError(Exception):
    """A program is not there and cannot be built; the text says what would help."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A module of `tools/`: one pinned release, and the programs that are built from it."""

    name: str
    packages: Mapping[str, str]
    ldflags: str = ""
    version_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Arguments with which a program tells its release; without them, none is asked for."""

    @property
    def release(self) -> "Release":
        """The module and version that `go.mod` requires first."""
        found = re.search(r"^require (\S+) (v\S+)$", self._go_mod, re.MULTILINE)
        if found is None:
            raise MissingError(f"{TOOLS / self.name / 'go.mod'} requires no module")
        return Release(found[1], found[2])

    @property
    def folder(self) -> Path:
        """Where its programs are kept."""
        return cache() / f"{self.name}-{self.release.version}"

    @property
    def _go_mod(self) -> str:
        return (TOOLS / self.name / "go.mod").read_text()

    def command(self, go: str, program: str, target: Path) -> list[str]:
        """Build one program."""
        version = self.release.version
        major, minor = (*version.lstrip("v").split("."), "")[:2]
        ldflags = self.ldflags.format(version=version, major=major, minor=minor)
        return [
            *(go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-p", str(CORES)),
            *("-ldflags", f"-s -w {ldflags}".strip(), "-o", str(target), self.packages[program]),
        ]


class Release(NamedTuple):
    """What `go.mod` pins."""

    module: str
    version: str

    def is_told_by(self, text: str) -> bool:
        """Tell whether a program's account of itself names the same minor release."""
        minor = ".".join(self.version.lstrip("v").split(".")[:2])
        return re.search(rf"(?<![\d.]){re.escape(minor)}\.", text) is not None


_COMPONENT = "k8s.io/component-base/version"
ETCD = Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, version_of={"etcd": ("--version",)})
KUBERNETES = Tool(
    "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kubectl")
    },
    f"-X {_COMPONENT}.gitVersion={{version}} -X {_COMPONENT}.gitMajor={{major}}"
    f" -X {_COMPONENT}.gitMinor={{minor}}",
    {
        "kube-apiserver": ("--version",),
        "kube-controller-manager": ("--version",),
        "kubectl": ("version", "--client"),
    },
)
ISTIO = Tool(
    "istio",
    {
        "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
        "istioctl": "istio.io/istio/istioctl/cmd/istioctl",
    },
)
NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager", "pilot-discovery")
"""What a stack runs; the others are for people and for single tests."""


def cache() -> Path:
    """Return the folder in which things are kept from run to run."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "layby"


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
    kept = ISTIO.folder / Path(_CRDS).name
    if not kept.exists():
        module = ISTIO.release.module
        command = [_go("Istio's CRDs"), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]
        with _lock(ISTIO):
            _run_go(ISTIO, [command[0], "mod", "download", module])
            listed = _run_go(ISTIO, command, capture=True)
            copy = kept.with_suffix(".part")
            shutil.copyfile(Path(listed.strip()) / _CRDS, copy)
            copy.replace(kept)
    return kept


def _tool_of(program: str) -> Tool:
    return next(tool for tool in (ETCD, KUBERNETES, ISTIO) if program in tool.packages)


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
    """Run Go in a tool's module; what it has to say goes to standard error."""
    environment = {**os.environ, "GOMAXPROCS": str(CORES), "GOWORK": "off"}
    done = subprocess.run(
        command,
        cwd=TOOLS / tool.name,
        env=environment,
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
