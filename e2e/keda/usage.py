"""metrics.k8s.io for the pods of the stack, whose containers are processes of this machine.

Serves what an autoscaler by CPU asks for, in place of metrics-server, which asks a real kubelet.
Must not know who scales what.
"""

import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.figures import cpu_seconds
from e2e import layby
from e2e.stack.api import Api
from e2e.stack.certificates import Authority
from e2e.stack.namespace import HOST

PORT = 9094
_GROUP = "metrics.k8s.io"
_VERSION = "v1beta1"
_ROOT = f"/apis/{_GROUP}/{_VERSION}"
_WINDOW_SECONDS = 2.0
_PLACE = {"name": "usage", "namespace": layby.NAMESPACE}
_RESOURCES = [{"name": "pods", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}]


class _Usage:
    """What each hold server has used lately, looked at every window."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = Api(kubeconfig)
        self._used: dict[int, float] = {}
        self._answer: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def look(self) -> None:
        """Account for another window."""
        used = {pid: cpu_seconds(pid) for pid in layby.processes("extproc")}
        of = {address(pid): pid for pid in used}
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        answer = [
            {
                "metadata": {k: pod["metadata"].get(k) for k in ("name", "namespace", "labels")},
                "timestamp": now,
                "window": f"{_WINDOW_SECONDS:g}s",
                "containers": [
                    {
                        "name": pod["spec"]["containers"][0]["name"],
                        "usage": {"cpu": _milli(used[pid] - self._used[pid]), "memory": "100Mi"},
                    }
                ],
            }
            for pod in self._api.items("v1", "Pod", layby.NAMESPACE)
            if (pid := of.get(pod["status"].get("podIP", ""))) in self._used and pid in used
        ]
        with self._lock:
            self._used, self._answer = used, answer

    def read(self) -> list[dict[str, Any]]:
        """Return what was seen last."""
        with self._lock:
            return self._answer


@contextmanager
def served(api: Api, kubeconfig: Path, folder: Path) -> Iterator[None]:
    """Serve it through the API server while a block runs."""
    usage, over = _Usage(kubeconfig), threading.Event()
    server = ThreadingHTTPServer((HOST, PORT), _handler(usage))
    pair = Authority(folder, "usage").issue("tls", "usage")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)

    def follow() -> None:
        while not over.wait(_WINDOW_SECONDS):
            usage.look()

    threads = [
        threading.Thread(target=each, daemon=True) for each in (server.serve_forever, follow)
    ]
    for thread in threads:
        thread.start()
    api.apply(_objects())
    try:
        yield
    finally:
        api.delete(_objects())
        over.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def address(pid: int) -> str:
    """Return the address of the pod that a process is of."""
    return layby.variable(pid, "POD_IP")


def metric(where: str, name: str) -> float | None:
    """Return the sum of a metric of the process at an address; None if it is not up yet."""
    try:
        with urllib.request.urlopen(f"http://{where}:9464/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    found = (line for line in lines if line.partition("{")[0].partition(" ")[0] == name)
    return sum(float(line.split()[-1]) for line in found)


def _milli(seconds: float) -> str:
    return f"{round(seconds / _WINDOW_SECONDS * 1000)}m"


def _handler(usage: _Usage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            kind, content = ("PodMetricsList", {"metadata": {}, "items": usage.read()})
            version = f"{_GROUP}/{_VERSION}"
            if path == _ROOT:
                kind, version = "APIResourceList", "v1"
                content = {"groupVersion": f"{_GROUP}/{_VERSION}", "resources": _RESOURCES}
            body = json.dumps({"kind": kind, "apiVersion": version, **content}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _objects() -> list[dict[str, Any]]:
    ports = [{"name": "https", "port": PORT}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _PLACE,
            "spec": {"ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**_PLACE, "labels": {"kubernetes.io/service-name": _PLACE["name"]}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}],
            "ports": ports,
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{_VERSION}.{_GROUP}"},
            "spec": {
                "group": _GROUP,
                "version": _VERSION,
                "service": {**_PLACE, "port": PORT},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]
