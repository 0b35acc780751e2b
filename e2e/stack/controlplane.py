"""Kubernetes without nodes: etcd, the API server and the controller manager.

Owns their flags, credentials and order. Must not know Istio, pods, or who asks.
"""

import json
import secrets
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from e2e.stack.api import Api
from e2e.stack.binaries import obtain
from e2e.stack.certificates import Authority
from e2e.stack.credentials import signing_key, token_line, write_kubeconfig
from e2e.stack.processes import Check, Child, Children

ADDRESS = "192.0.2.9"
PORT = 6443
SERVICES = "10.96.0.0/16"
_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"
_MANAGER_PORT = 10257
_LOOK_SECONDS = 2.0
_AUTOSCALER_SECONDS = 2
"""Usually 15: how often each HorizontalPodAutoscaler is looked at."""
_PROXY = "front-proxy-client"
_NO_NODES = (
    "*", "-nodeipam", "-nodelifecycle", "-cloud-node-lifecycle", "-service-lb-controller",
    "-node-route-controller",
)  # fmt: skip
# Who writes what, but for the stack itself: so a test can count what Layby asks for.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}


def answers(url: str) -> Check:
    """Make a check that an endpoint answers with 200; whose certificate it has does not matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=_LOOK_SECONDS, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return check


class ControlPlane:
    """The API server and what it needs to be one."""

    def __init__(self, children: Children) -> None:
        """Keep everything in the folder of `children`."""
        self.folder = children.folder / "kubernetes"
        self.server = f"https://{ADDRESS}:{PORT}"
        self.kubeconfig = children.folder / "kubeconfig"
        self.audit_log = children.logs / "audit.log"
        self._children = children
        self._certificate = self.folder / "apiserver.crt"
        self._token = secrets.token_hex(16)
        self.folder.mkdir()
        self._front = Authority(self.folder / "front-proxy", "front-proxy-ca")
        (self.folder / "signing.key").write_text(signing_key())
        (self.folder / "tokens").write_text(token_line(self._token, "stack", "system:masters"))
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(_AUDIT))
        self.etcd: Child
        self.apiserver: Child
        self.manager: Child
        self.api: Api

    def start(self) -> None:
        """Start all three; on return the API server is ready, and the manager has been started."""
        self.etcd = self._start_etcd()
        # The API server tries again and again, but each time later.
        self.etcd.wait()
        self.apiserver = self._start_apiserver()
        self.apiserver.wait()
        self._write(self.kubeconfig, self._token)
        self.api = Api(self.kubeconfig)
        self.manager = self._start_manager()

    def kubeconfig_of(self, service_account: str, namespace: str, seconds: int = 3600) -> Path:
        """Write a kubeconfig file with a real token of a service account, good for so long."""
        path = self._children.folder / f"{namespace}.{service_account}.kubeconfig"
        return self._write(path, self.api.token(service_account, namespace, seconds), namespace)

    def audited(self, service_account: str, namespace: str) -> list[dict[str, Any]]:
        """Return the requests of a service account, in the audit log's words."""
        user = f"system:serviceaccount:{namespace}:{service_account}"
        events = (json.loads(line) for line in self.audit_log.read_text().splitlines())
        return [event for event in events if event["user"]["username"] == user]

    def _write(self, path: Path, token: str, namespace: str = "default") -> Path:
        return write_kubeconfig(
            path,
            server=self.server,
            authority=self._certificate,
            token=token,
            namespace=namespace,
        )

    def _start_etcd(self) -> Child:
        command: list[str | Path] = [
            obtain("etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={_ETCD_PEER}",
            f"--initial-advertise-peer-urls={_ETCD_PEER}",
            f"--initial-cluster=default={_ETCD_PEER}",
        ]
        return self._children.add("etcd", command, ready=answers(f"{_ETCD}/health"))

    def _start_apiserver(self) -> Child:
        key = self.folder / "signing.key"
        proxy = self._front.issue(_PROXY, _PROXY)
        command: list[str | Path] = [
            obtain("kube-apiserver"),
            f"--etcd-servers={_ETCD}",
            f"--bind-address={ADDRESS}",
            f"--advertise-address={ADDRESS}",  # there is no default route to find it by
            f"--secure-port={PORT}",
            f"--cert-dir={self.folder}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            # So that an API that is served by another server can be had later.
            f"--requestheader-client-ca-file={self._front.pair.certificate}",
            f"--requestheader-allowed-names={_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            "--enable-aggregator-routing=true",  # there is no kube-proxy: ask endpoints
            f"--audit-policy-file={self.folder / 'audit.yaml'}",
            f"--audit-log-path={self.audit_log}",
            "--profiling=false",
        ]
        return self._children.add("kube-apiserver", command, ready=answers(f"{self.server}/readyz"))

    def _start_manager(self) -> Child:
        command: list[str | Path] = [
            obtain("kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(_NO_NODES)}",
            "--leader-elect=false",
            f"--horizontal-pod-autoscaler-sync-period={_AUTOSCALER_SECONDS}s",
            f"--root-ca-file={self._certificate}",
            f"--service-account-private-key-file={self.folder / 'signing.key'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={_MANAGER_PORT}",
            "--profiling=false",
        ]
        ready = answers(f"https://127.0.0.1:{_MANAGER_PORT}/healthz")
        return self._children.add("kube-controller-manager", command, ready=ready)
