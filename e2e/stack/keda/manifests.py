"""What is applied for KEDA: its makers' own manifests, for processes that are not pods.

Owns what is changed of them. Must not know who applies it. No I/O.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import yaml

from e2e.stack.api import Manifest
from e2e.stack.keda import ADAPTER, NAMESPACE, OPERATOR, WEBHOOKS

SERVICES = {
    "keda-operator": OPERATOR,
    "keda-metrics-apiserver": ADAPTER,
    "keda-admission-webhooks": WEBHOOKS,
}
_HOOKS = ("APIService", "ValidatingWebhookConfiguration")
_DEFINITION = "\nkind: CustomResourceDefinition\n"
_NAME = re.compile(r"^  name: (\S+)$", re.MULTILINE)
_METRICS = "metrics"


class Definition(NamedTuple):
    """A CustomResourceDefinition; as text, for parsing it takes longer than all the rest."""

    name: str
    text: str

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{self.name}"

    @property
    def plural(self) -> str:
        """The resource's name."""
        return self.name.partition(".")[0]

    @property
    def group_path(self) -> str:
        """Where the API server lists the kinds of its group."""
        return f"/apis/{self.name.partition('.')[2]}/v1alpha1"

    def items_path(self, namespace: str = "") -> str:
        """Where the API server has the objects of that kind, all or those of a namespace."""
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.group_path}{place}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Objects:
    """All that is applied, in this order."""

    definitions: list[Definition]
    rest: list[Manifest]
    hooks: list[Manifest]
    """By which the API server asks KEDA: they hinder others while nobody stands behind them."""

    @classmethod
    def read(cls, text: str, authority: bytes) -> "Objects":
        """Read KEDA's manifests; the API server is to trust an authority's certificates."""
        documents = text.split("\n---\n")
        defined = [d for d in documents if _DEFINITION in f"\n{d}"]
        others = [yaml.safe_load(d) for d in documents if d not in defined]
        return cls(
            definitions=[Definition(_name(d), d) for d in defined],
            rest=[*_without_pods(m for m in others if m["kind"] not in _HOOKS)],
            hooks=[_trusting(m, authority) for m in others if m["kind"] in _HOOKS],
        )


def hosts() -> Iterator[str]:
    """Return the names by which KEDA's processes know one another, and the API server them."""
    for service in SERVICES:
        name = f"{service}.{NAMESPACE}"
        yield from (service, name, f"{name}.svc", f"{name}.svc.cluster.local")


def nonsense() -> Manifest:
    """Describe a ScaledObject that only the admission webhooks refuse."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "nonsense", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"name": "nonsense"},
            "triggers": [{"type": "cron", "name": "twice", "metadata": {}}] * 2,
        },
    }


def _name(definition: str) -> str:
    found = _NAME.search(definition)
    assert found
    return found[1]


def _without_pods(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """Have Services lead to KEDA's processes, which are children of the stack."""
    for manifest in manifests:
        if manifest["kind"] == "Service":
            spec = {k: v for k, v in manifest["spec"].items() if k != "selector"}
            yield {**manifest, "spec": spec}
            yield _endpoints(manifest["metadata"]["name"], spec["ports"])
        elif manifest["kind"] != "Deployment":
            yield manifest


def _endpoints(service: str, ports: list[Mapping[str, object]]) -> Manifest:
    served = [
        {"name": port["name"], "port": port["targetPort"], "protocol": "TCP"}
        for port in ports
        if port["name"] != _METRICS
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [SERVICES[service]], "conditions": {"ready": True}}],
        "ports": served,
    }


def _trusting(manifest: Manifest, authority: bytes) -> Manifest:
    """Name the authority where KEDA's certificate rotation would."""
    bundle = base64.b64encode(authority).decode()
    if manifest["kind"] == "APIService":
        return {**manifest, "spec": {**manifest["spec"], "caBundle": bundle}}
    webhooks = [
        {**hook, "clientConfig": {**hook["clientConfig"], "caBundle": bundle}}
        for hook in manifest["webhooks"]
    ]
    return {**manifest, "webhooks": webhooks}
