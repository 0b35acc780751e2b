"""Envoys that take their configuration from istiod: gateways, and sidecars of callers.

Owns their bootstrap and their administration. Must not know what istiod sends them.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from e2e.stack import istiod
from e2e.stack.controlplane import answers
from e2e.stack.http import Reply, get
from e2e.stack.processes import Child, Children
from local.envoy import find_envoy

ADMIN_PORT = 15000
WORKERS = 2
_CONNECT = "1s"
_HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
_INTERNAL_LISTENER = {
    "name": "envoy.bootstrap.internal_listener",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    },
}
# istiod refers to these; what they would be for is turned off.
_ASIDE = ("sds-grpc", "prometheus_stats", "agent")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an Envoy is to istiod. Its address is its own, and so are all ports on it."""

    kind: Literal["router", "sidecar"]
    name: str
    namespace: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = istiod.VERSION
    """The Istio that it says it is of."""

    def node(self) -> dict[str, Any]:
        """Render what istiod reads of it."""
        domain = f"{self.namespace}.svc.cluster.local"
        metadata = {
            "NAME": self.name,
            "NAMESPACE": self.namespace,
            "ISTIO_VERSION": self.version,
            "CLUSTER_ID": "Kubernetes",
            "INSTANCE_IPS": self.address,
            "LABELS": dict(self.labels),
            "SERVICE_ACCOUNT": "default",
        }
        if self.kind == "sidecar":  # no iptables: its listeners are bound and spoken to
            metadata["INTERCEPTION_MODE"] = "NONE"
        identity = (self.kind, self.address, f"{self.name}.{self.namespace}", domain)
        return {"id": "~".join(identity), "cluster": self.name, "metadata": metadata}


class Envoy:
    """One running Envoy."""

    def __init__(self, children: Children, identity: Identity, *, workers: int = WORKERS) -> None:
        """Start it, without waiting until it is ready."""
        self.identity = identity
        self.address = identity.address
        self.admin = f"http://{self.address}:{ADMIN_PORT}"
        config = children.folder / f"{identity.name}.json"
        config.write_text(json.dumps(bootstrap(identity)))
        command = [
            *(find_envoy(), "--config-path", str(config), "--concurrency", str(workers)),
            *("--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "1"),
        ]
        self.child: Child = children.add(
            identity.name, command, ready=answers(f"{self.admin}/ready")
        )

    def __repr__(self) -> str:
        return f"<Envoy {self.identity.name} {self.address} {self.child}>"

    def get(self, host: str, path: str = "/", **how: Any) -> Reply:
        """Send a request through it."""
        return get(self.address, host, path, **how)

    def ask(self, path: str, method: str = "GET") -> str:
        """Return the administration's answer."""
        connection = http.client.HTTPConnection(self.address, ADMIN_PORT, timeout=10)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def config(self) -> Any:
        """Return the configuration that it has, endpoints included."""
        return json.loads(self.ask("/config_dump?include_eds"))

    def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match."""
        told = json.loads(self.ask(f"/stats?format=json&filter={pattern}"))["stats"]
        return {stat["name"]: stat["value"] for stat in told if "value" in stat}

    def endpoints(self, cluster: str) -> dict[str, str]:
        """Return the endpoints of a cluster by address and port, each with its health flags."""
        found = {}
        for line in self.ask("/clusters").splitlines():
            name, _, rest = line.partition("::")
            address, _, value = rest.partition("::health_flags::")
            if name == cluster and value:
                found[address] = value
        return found


def bootstrap(identity: Identity) -> dict[str, Any]:
    """Render the configuration that an Envoy starts with."""
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    xds = {"envoy_grpc": {"cluster_name": "xds-grpc"}}
    return {
        "node": identity.node(),
        "admin": {"address": _socket(identity.address, ADMIN_PORT)},
        "dynamic_resources": {
            "lds_config": source,
            "cds_config": source,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [xds],
            },
        },
        "static_resources": {
            "clusters": [
                {
                    **_cluster("xds-grpc"),
                    "typed_extension_protocol_options": _HTTP2,
                    "load_assignment": _assignment("xds-grpc", istiod.HOST, istiod.XDS_PORT),
                },
                *(_cluster(name) for name in _ASIDE),
            ]
        },
        "bootstrap_extensions": [_INTERNAL_LISTENER],
    }


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _cluster(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": _CONNECT,
        "load_assignment": {"cluster_name": name},
    }


def _assignment(cluster: str, address: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _socket(address, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}
