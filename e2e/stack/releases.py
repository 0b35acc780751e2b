"""What the stack is built from: the Go modules in `tools/`, and the release that each pins.

Owns the cache's place (`$XDG_CACHE_HOME/layby/TOOL-VERSION/`). Must not know how to build.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).with_name("tools")
CORES = 2
"""A build must leave room for whatever else runs on the machine."""


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
        client = re.search(r"^\tk8s\.io/client-go v0\.(\d+)\.", self._go_mod, re.MULTILINE)
        ldflags = self.ldflags.format(
            version=version,
            major=major,
            minor=minor,
            kubernetes_minor=client[1] if client else "",
        )
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
_KEDA = "github.com/kedacore/keda/v2"
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
KEDA = Tool(
    "keda",
    {f"keda-{name}": f"{_KEDA}/cmd/{name}" for name in ("operator", "adapter", "webhooks")},
    f"-X {_KEDA}/version.Version={{version}}",
)
_HELM = "helm.sh/helm/v3"
HELM = Tool(
    "helm",
    {"helm": f"{_HELM}/cmd/helm"},
    # As its own build does: left alone, it takes itself to be for Kubernetes 1.20.
    f"-X {_HELM}/internal/version.version={{version}} "
    + " ".join(
        f"-X {_HELM}/pkg/{package}.k8sVersion{part}={value}"
        for package in ("chartutil", "lint/rules")
        for part, value in (("Major", "1"), ("Minor", "{kubernetes_minor}"))
    ),
    {"helm": ("version", "--short")},
)
JAEGER = Tool("jaeger", {"jaeger-all-in-one": "github.com/jaegertracing/jaeger/cmd/all-in-one"})
ALL = (ETCD, KUBERNETES, ISTIO, KEDA, HELM, JAEGER)


def cache() -> Path:
    """Return the folder in which things are kept from run to run."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "layby"
