"""istiod, as the control plane of Envoys that are not Istio's own.

Owns its flags, its mesh configuration and its CRDs. Must not know who connects.
"""

from pathlib import Path

import yaml

from e2e.stack.api import YAML, Api
from e2e.stack.binaries import istio_crds, obtain
from e2e.stack.controlplane import answers
from e2e.stack.processes import Child, Children

NAMESPACE = "istio-system"
VERSION = "1.31.0"
HOST = "127.0.0.1"
XDS_PORT = 15010
DEBUG_PORT = 8080
MONITORING_PORT = 15014
# An Envoy from elsewhere lacks the filters that these would have istiod send.
_MESH = {
    "enableAutoMtls": False,
    "enableTracing": False,
    "enablePrometheusMerge": False,
    "ingressControllerMode": "OFF",
    "defaultProviders": {},
}
_ENVIRONMENT = {
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": "istiod-0",
    "REVISION": "default",
    "INJECT_ENABLED": "false",
    "PILOT_ENABLE_ANALYSIS": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_GATEWAY_API": "false",
}
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install_crds(api: Api) -> None:
    """Define Istio's kinds; as text, for parsing them takes longer than all the rest."""
    for document in istio_crds().read_text().split("\n---\n"):
        if "\nkind: CustomResourceDefinition" in document:
            api.request("POST", _CRDS, document.encode(), YAML)


def start(children: Children, kubeconfig: Path) -> Child:
    """Start istiod, without waiting until it is ready."""
    mesh = children.folder / "mesh.yaml"
    mesh.write_text(yaml.safe_dump(_MESH))
    command: list[str | Path] = [
        *(obtain("pilot-discovery"), "discovery"),
        *("--kubeconfig", kubeconfig, "--meshConfig", mesh, "--namespace", NAMESPACE),
        *("--httpAddr", f"{HOST}:{DEBUG_PORT}", "--httpsAddr", ""),
        *("--grpcAddr", f"{HOST}:{XDS_PORT}", "--secureGRPCAddr", ""),
        *("--monitoringAddr", f"{HOST}:{MONITORING_PORT}"),
        *("--clusterID", "Kubernetes", "--domain", "cluster.local"),
    ]
    ready = answers(f"http://{HOST}:{DEBUG_PORT}/ready")
    return children.add("istiod", command, ready=ready, environment=_ENVIRONMENT)
