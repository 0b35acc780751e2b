"""Layby in the stack: its own manifests, with the checkout in place of an image."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from e2e.stack.api import Api, Manifest
from e2e.stack.processes import until
from istio.envoyfilter import envoy_filter
from istio.generate import MESH

ROOT = Path(__file__).parents[1]
NAMESPACE = "layby-system"
COMMAND = [sys.executable, "-m", "cli.main"]
READY_WITHIN = 30.0


def install(api: Api, *, replicas: int = 2) -> None:
    """Install the CRDs, the gate, and the hold servers; return when they are ready."""
    for path in sorted((ROOT / "crds" / "yaml").glob("*.yaml")):
        api.apply(_documents(path))
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    for path in sorted((ROOT / "deploy" / "manifests").glob("*.yaml")):
        api.apply([_runnable(document, replicas) for document in _documents(path)])
    api.apply([dict(envoy_filter(MESH, name="layby", namespace="istio-system"))])
    assert until(lambda: _ready(api, "layby-extproc", replicas), READY_WITHIN), "extproc not ready"


def kill_one(number: int) -> None:
    """Send a signal to one of the hold servers' processes."""
    os.kill(min(_hold_servers()), number)


def _hold_servers() -> Iterator[int]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if [b"cli.main", b"extproc"] == words[2:4]:
                    yield int(process.name)


def _documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _runnable(document: Manifest, replicas: int) -> Manifest:
    """Have a Deployment run the checkout: the process kubelet runs commands, not images."""
    if document["kind"] == "Deployment":
        document["spec"]["replicas"] = replicas
        for container in document["spec"]["template"]["spec"]["containers"]:
            container["command"] = COMMAND
    return document


def _ready(api: Api, name: str, replicas: int) -> bool:
    found = api.get("apps/v1", "Deployment", name, NAMESPACE)
    return bool(found.get("status", {}).get("readyReplicas") == replicas)
