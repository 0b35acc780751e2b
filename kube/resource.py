"""What things are called in the API: resources, their paths, the keys of objects.

Must not know how a request is sent, nor what is in an object beyond its name.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self, TypeAlias
from urllib.parse import quote

Object: TypeAlias = Mapping[str, Any]
"""An object as the API server sent it. It is shared: whoever wants another makes another."""


class Key(NamedTuple):
    """The name of an object among those of its resource."""

    namespace: str
    """Empty for what belongs to the whole cluster."""
    name: str


def key_of(item: Object) -> Key:
    """Return the key of an object."""
    metadata = item["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


class Resource(NamedTuple):
    """A kind of object, and where the API serves it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The group and version, as objects name them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "") -> str:
        """Return the path of the objects of one namespace, or of all."""
        root = group_path(self.api_version)
        inside = f"/namespaces/{_segment(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}"

    def path_of(self, key: Key, subresource: str = "") -> str:
        """Return the path of one object, or of a part of it that is served by itself."""
        path = f"{self.path(key.namespace)}/{_segment(key.name)}"
        return f"{path}/{subresource}" if subresource else path


class Selection(NamedTuple):
    """Which objects of a resource are meant."""

    resource: Resource
    namespace: str = ""
    """Empty for all namespaces."""
    labels: str = ""
    fields: str = ""

    @property
    def path(self) -> str:
        """The path they are listed under."""
        return self.resource.path(self.namespace)

    @property
    def query(self) -> dict[str, str]:
        """The selectors as query parameters."""
        selectors = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {name: value for name, value in selectors.items() if value}

    def within(self, namespaces: Collection[str]) -> tuple[Self, ...]:
        """Return what selects the same in each of some namespaces; in all, if none is named.

        What belongs to the whole cluster is in none of them: a role of namespaces cannot allow it.
        """
        if not namespaces:
            return (self,)
        if not self.resource.namespaced:
            return ()
        return tuple(self._replace(namespace=each) for each in sorted(namespaces))


def group_path(api_version: str) -> str:
    """Return the path under which a group and version has its resources."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _segment(name: str) -> str:
    return quote(name, safe=":")


CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
SERVICE_LABEL = "kubernetes.io/service-name"
"""The label that names the Service of an EndpointSlice."""
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")

DESTINATION_RULES = Resource("networking.istio.io", "v1", "destinationrules", "DestinationRule")
ENVOY_FILTERS = Resource("networking.istio.io", "v1alpha3", "envoyfilters", "EnvoyFilter")
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "virtualservices", "VirtualService")
TELEMETRIES = Resource("telemetry.istio.io", "v1", "telemetries", "Telemetry")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
TRAFFIC_HOLDS = Resource("layby.dev", "v1alpha1", "trafficholds", "TrafficHold")
HOLD_POLICIES = Resource("layby.dev", "v1alpha1", "holdpolicies", "HoldPolicy", namespaced=False)
