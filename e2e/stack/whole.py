"""The stack as a whole: what it is made of, in the order of its start.

The composition root. Must not know who wants a stack, and for how long.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from e2e.stack import istiod
from e2e.stack.api import NOT_FOUND, Api, ApiError, Manifest
from e2e.stack.binaries import NEEDED, NEEDED_FOR_KEDA, istio_crds, keda_manifests, obtain
from e2e.stack.certificates import find_openssl
from e2e.stack.controlplane import ControlPlane
from e2e.stack.envoys import Envoy, Identity
from e2e.stack.keda.installation import Keda
from e2e.stack.kubelet import NODE
from e2e.stack.namespace import Namespace
from e2e.stack.processes import Child, Children
from local.envoy import find_envoy

ROOT = Path(__file__).parents[2]
GATEWAY_LABELS = {"istio": "ingressgateway"}
CALLER_NAMESPACE = "caller"
EGRESS = {80: "HTTP", 8080: "HTTP", 9002: "GRPC"}
"""A sidecar's listeners. Each shows the services that have this very port."""
_GATEWAYS, _CALLERS = 10, 20
"""Where their addresses begin, in 192.0.2.0/24; there may be ten of each."""


def prepare() -> None:
    """Have everything there that a stack needs, which may take minutes the first time.

    Raises:
        MissingError: a program is missing and cannot be built.
        EnvoyError: there is no Envoy.
        NamespaceError: this process may not have a network of its own.
    """
    Namespace.create().close()
    find_envoy()
    find_openssl()
    for program in NEEDED:
        obtain(program)
    istio_crds()


def prepare_keda() -> None:
    """Have everything there that KEDA needs, which may take minutes the first time.

    Raises:
        MissingError: a program is missing and cannot be built.
    """
    for program in NEEDED_FOR_KEDA:
        obtain(program)
    keda_manifests()


class Stack:
    """One control plane, its Envoys, and its pods; in a network of its own."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`, logs in `folder/logs`; nothing runs yet."""
        self.folder = folder = folder.resolve()
        self.namespace = Namespace.create()
        self.children = Children(folder, self.namespace)
        self.control_plane = ControlPlane(self.children)
        self.kubeconfig = self.control_plane.kubeconfig
        self.keda = Keda(self.children, self.control_plane)
        self.gateways: list[Envoy] = []
        self.callers: list[Envoy] = []
        self.start_seconds = 0.0
        """How long it took until all of it was ready."""
        self.api: Api
        self.istiod: Child
        self.kubelet: Child

    @property
    def logs(self) -> Path:
        """Where each process writes what it has to say."""
        return self.children.logs

    @property
    def gateway(self) -> Envoy:
        """The first gateway; a `Gateway` for it selects `GATEWAY_LABELS`."""
        return self.gateways[0]

    @property
    def caller(self) -> Envoy:
        """The first caller's sidecar."""
        return self.callers[0]

    def start(self) -> None:
        """Start it all; on return it is ready."""
        begun = time.monotonic()
        with self.namespace.entered():
            self.control_plane.start()
            self.api = self.control_plane.api
            for name in (istiod.NAMESPACE, CALLER_NAMESPACE):
                self.api.apply(_namespace(name))
            self.istiod = istiod.start(self.children, self.kubeconfig)
            self.kubelet = self._start_kubelet()
            istiod.install_crds(self.api)
            self.istiod.wait()
            self.add_gateway("gateway", GATEWAY_LABELS)
            self.add_caller("caller")
            for child in self.children:
                child.wait()
        self.start_seconds = time.monotonic() - begun

    def add_gateway(
        self, name: str, labels: Mapping[str, str], version: str = istiod.VERSION
    ) -> Envoy:
        """Start another gateway. Its `Gateway` must bind to its address: all share a machine."""
        address = f"192.0.2.{_GATEWAYS + len(self.gateways)}"
        identity = Identity("router", name, istiod.NAMESPACE, address, labels, version)
        gateway = Envoy(self.children, identity)
        self.gateways.append(gateway)
        return gateway

    def add_caller(self, name: str, egress: Mapping[int, str] = EGRESS) -> Envoy:
        """Start the sidecar of another caller, which is spoken to at its address."""
        address = f"192.0.2.{_CALLERS + len(self.callers)}"
        self.api.apply(_sidecar(name, address, egress))
        identity = Identity("sidecar", name, CALLER_NAMESPACE, address, {"app": name})
        caller = Envoy(self.children, identity)
        self.callers.append(caller)
        return caller

    def remove(self, envoy: Envoy) -> None:
        """End a gateway or a caller that was added; its address is given to no other."""
        self.children.remove(envoy.child)

    def close(self) -> None:
        """End all of it. The folder stays, for its logs."""
        self.children.close()
        self.namespace.close()

    def _start_kubelet(self) -> Child:
        command: list[str | Path] = [
            *(sys.executable, "-m", "e2e.stack.kubelet"),
            *("--kubeconfig", self.kubeconfig, "--folder", self.folder),
        ]
        return self.children.add(
            "kubelet",
            command,
            ready=self._node_is_ready,
            environment={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )

    def _node_is_ready(self) -> bool:
        try:
            node = self.api.get("v1", "Node", NODE)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return any(c["type"] == "Ready" for c in node.get("status", {}).get("conditions", ()))


@contextmanager
def running(folder: Path, *, keda: bool = False) -> Iterator[Stack]:
    """Have a stack while a block runs, with KEDA or without; this thread is in its network."""
    prepare()
    if keda:
        prepare_keda()
    stack = Stack(folder)
    try:
        stack.start()
        with stack.namespace.entered():
            if keda:
                stack.keda.install()
            yield stack
    finally:
        stack.close()


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _sidecar(name: str, address: str, egress: Mapping[int, str]) -> Manifest:
    listeners = [
        {
            "port": {"number": number, "protocol": protocol, "name": f"port-{number}"},
            "captureMode": "NONE",
            "bind": address,
            "hosts": ["*/*"],
        }
        for number, protocol in egress.items()
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": name, "namespace": CALLER_NAMESPACE},
        "spec": {"workloadSelector": {"labels": {"app": name}}, "egress": listeners},
    }
