"""KEDA's three programs: their flags, and where they say that they are ready.

Pure. Must not know who runs them, nor what is applied for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.stack.keda import ADAPTER, NAMESPACE, OPERATOR, WEBHOOKS

_PROBES = 8081
_METRICS = 8080
_ADAPTER_PORT = 6443
_ADAPTER_METRICS = 18080
"""On every address, as the webhooks' 9443 is: so it must be nobody else's."""
# In a mount namespace of its own, as a pod has; the program has the number that it is known by.
_WITH_DNS = 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"'
_SHELL = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _WITH_DNS)


@dataclass(frozen=True, slots=True)
class Program:
    """One of them; its file is called `keda-NAME`."""

    name: str
    flags: Sequence[str]
    ready_url: str

    def command(self, path: Path, folder: Path) -> list[str | Path]:
        """Return its command, with `resolv.conf` and certificates in a folder."""
        flags = (f"--cert-dir={folder}", "--zap-encoder=console", *self.flags)
        return [*_SHELL, folder / "resolv.conf", path, *flags]


def environment(kubeconfig: Path) -> dict[str, str]:
    """Return what a pod of KEDA's has in its environment."""
    return {
        "KUBECONFIG": str(kubeconfig),
        "WATCH_NAMESPACE": "",
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    }


def operator() -> Program:
    """Describe the operator, which asks scalers, and scales between zero and one."""
    flags = (
        *_probed(OPERATOR),
        f"--metrics-service-bind-address={OPERATOR}:9666",
        "--leader-elect=false",
        "--enable-cert-rotation=false",
    )
    return Program("operator", flags, f"http://{OPERATOR}:{_PROBES}/readyz")


def adapter(kubeconfig: Path, folder: Path) -> Program:
    """Describe the metrics adapter, which the autoscaler asks through the API server."""
    flags = (
        f"--bind-address={ADAPTER}",
        f"--secure-port={_ADAPTER_PORT}",
        f"--port={_ADAPTER_METRICS}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
        # Of $KUBECONFIG only the other half of it knows.
        f"--lister-kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    )
    return Program("adapter", flags, f"https://{ADAPTER}:{_ADAPTER_PORT}/readyz")


def webhooks() -> Program:
    """Describe the admission webhooks, which refuse a ScaledObject that cannot work."""
    return Program("webhooks", _probed(WEBHOOKS), f"http://{WEBHOOKS}:{_PROBES}/readyz")


def _probed(address: str) -> tuple[str, ...]:
    return (
        f"--metrics-bind-address={address}:{_METRICS}",
        f"--health-probe-bind-address={address}:{_PROBES}",
    )
