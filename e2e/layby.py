"""Layby in the stack: its own manifests, with the checkout in place of an image."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import yaml

from e2e.stack.api import Api, Manifest
from e2e.stack.processes import until

ROOT = Path(__file__).parents[1]
NAMESPACE = "layby-system"
COMMAND = [sys.executable, "-m", "cli.main"]
READY_WITHIN = 30.0
FEED = "/var/run/layby/feed"
PAGE_PORT = 8082
LEASE_SECONDS = 4
SETTINGS = {
    # Short, for a test waits for the next leader; and istiod's debug address in the stack.
    "LAYBY_CONTROLLER_LEASE_SECONDS": str(LEASE_SECONDS),
    "LAYBY_CONTROLLER_ISTIOD_URL": "http://127.0.0.1:8080",
    "LAYBY_CONTROLLER_PAGE_PORT": str(PAGE_PORT),
    "LAYBY_CONTROLLER_PAGE_HOST": "$(POD_IP)",
    # As the chart has it; the manifests cannot.
    "LAYBY_EXTPROC_FEED_TOKEN_FILE": f"{FEED}/token",
    "LAYBY_CONTROLLER_FEED_TOKEN_FILE": f"{FEED}/token",
}
TOKEN: Manifest = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "feed", "namespace": NAMESPACE},
    "stringData": {"token": secrets.token_urlsafe()},
}


def install(api: Api, settings: Mapping[str, str] | None = None) -> None:
    """Install it as its manifests say, with further settings; return when all of it is ready."""
    settings = {**SETTINGS, **(settings or {})}
    for path in sorted((ROOT / "crds" / "yaml").glob("*.yaml")):
        api.apply(_documents(path))
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, TOKEN])
    for path in sorted((ROOT / "deploy" / "manifests").glob("*.yaml")):
        api.apply([_runnable(document, settings) for document in _documents(path)])
    for name in ("layby-extproc", "layby-controller"):
        _await(api, name)


def renew(api: Api, name: str = "layby-extproc") -> None:
    """Put others in the place of its pods, which know nothing yet; return when they are ready."""
    stamp = {"kubectl.kubernetes.io/restartedAt": str(time.time())}
    template = {"metadata": {"annotations": stamp}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    api.patch(deployment, {"spec": {"template": template}})
    _await(api, name)


def kill_one(command: str, number: int) -> int:
    """Send a signal to one of the processes of `layby extproc` or `layby controller`."""
    pid = min(processes(command))
    os.kill(pid, number)
    return pid


def leader(api: Api) -> str:
    """Return the identity of the controller that holds the Lease."""
    lease = api.get("coordination.k8s.io/v1", "Lease", "layby-controller", NAMESPACE)
    return str(lease["spec"]["holderIdentity"])


def kill_leader(api: Api, logs: Path) -> str:
    """Kill the controller that leads; return its identity. `logs` are the stack's."""
    holder = leader(api)
    # An identity has the machine's name, not the pod's; but whoever leads says so.
    [pod] = {name for name, line in said(logs, "layby-controller") if f" {holder} leads" in line}
    [pid] = [pid for pid in processes("controller") if variable(pid, "POD_NAME") == pod]
    os.kill(pid, signal.SIGKILL)
    return holder


def said(logs: Path, name: str) -> Iterator[tuple[str, str]]:
    """Return the lines that all pods of a Deployment have logged, each with its pod's name."""
    for log in (logs / "pods").glob(f"{NAMESPACE}.{name}-*.log"):
        for line in log.read_text(errors="replace").splitlines():
            yield log.name.split(".")[1], line


def processes(command: str) -> Iterator[int]:
    """Find the processes of a subcommand."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if [b"cli.main", command.encode()] == words[2:4]:
                    yield int(process.name)


def variable(pid: int, wanted: str) -> str:
    """Return what a process has in its environment under a name; empty if there is none."""
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        name, _, value = entry.decode().partition("=")
        if name == wanted:
            return value
    return ""


def _documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _runnable(document: Manifest, settings: Mapping[str, str]) -> Manifest:
    """Have a Deployment run the checkout: the process kubelet runs commands, not images."""
    if document["kind"] == "Deployment":
        pod = document["spec"]["template"]["spec"]
        pod["volumes"] = [{"name": "feed", "secret": {"secretName": TOKEN["metadata"]["name"]}}]
        for container in pod["containers"]:
            container["command"] = COMMAND
            container["volumeMounts"] = [{"name": "feed", "mountPath": FEED}]
            others = [each for each in container["env"] if each["name"] not in settings]
            container["env"] = [*others, *({"name": k, "value": v} for k, v in settings.items())]
    return document


def _await(api: Api, name: str) -> None:
    assert until(partial(_ready, api, name), READY_WITHIN), f"{name} is not ready"


def _ready(api: Api, name: str) -> bool:
    """Whether all replicas are ready, and none is left that has other settings."""
    found = api.get("apps/v1", "Deployment", name, NAMESPACE)
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    told = (status.get("readyReplicas"), status.get("updatedReplicas"), status.get("replicas"))
    is_current = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(is_current and told == (wanted, wanted, wanted))
