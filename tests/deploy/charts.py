"""Values of the chart that the tests render it with, and what they look for in it."""

import pytest
from pydantic_settings import BaseSettings

from controller.settings import Settings as ControllerSettings
from extproc.settings import Settings as ExtprocSettings

ENVOYS = [{"namespaceSelector": {"matchLabels": {"mesh": "yes"}}}]
EVERYTHING = {
    "fullnameOverride": "hold",
    "commonLabels": {"team": "platform"},
    "image": {
        "repository": "registry.example:5000/mesh/layby",
        "digest": "sha256:" + 64 * "0",
        "pullSecrets": [{"name": "registry"}],
    },
    "istio": {
        "rootNamespace": "mesh",
        "revision": "1-31",
        "istiodUrl": "http://istiod.mesh:15014",
        "inject": "stable",
        "peerAuthentication": {"enabled": True},
        "destinationRule": {"enabled": True},
    },
    "gate": {"selector": {"istio": "ingressgateway"}, "attach": "gateways"},
    "keda": {"enabled": False, "tls": {"existingSecret": "keda", "authentication": "layby"}},
    "feed": {"token": {"existingSecret": "feed"}},
    "extproc": {
        "autoscaling": {"enabled": True},
        "env": [{"name": "GRPC_VERBOSITY", "value": "error"}],
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "serviceAccount": {"annotations": {"e": "f"}},
        "service": {"annotations": {"g": "h"}},
    },
    "controller": {"priorityClassName": "high", "tolerations": [{"operator": "Exists"}]},
    "monitoring": {
        "labels": {"release": "prometheus"},
        "podMonitor": {"enabled": True, "interval": "15s"},
        "prometheusRule": {"enabled": True, "runbooks": "https://wiki.example/layby"},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Layby"}},
    },
    "networkPolicy": {
        "envoys": ENVOYS,
        "health": [{"namespaceSelector": {}}],
    },
}
SOME = {"watchNamespaces": ["shop", "mesh"], "crds": {"install": False}}
BARE = {
    "extproc": {"replicas": 1, "podDisruptionBudget": {"enabled": False}},
    "controller": {"replicas": 1, "podDisruptionBudget": {"enabled": False}},
    "networkPolicy": {"enabled": False},
    "rbac": {"create": False},
    "uninstall": {"enabled": False},
    "crds": {"keep": False},
    "keda": {"tls": {"generate": False}},
    "feed": {"token": {"generate": False}},
}
CASES = [
    pytest.param(values, id=name)
    for name, values in (
        ("defaults", {}),
        ("everything", EVERYTHING),
        ("some namespaces", SOME),
        ("bare", BARE),
    )
]


SETTINGS: dict[str, type[BaseSettings]] = {
    "extproc": ExtprocSettings,
    "controller": ControllerSettings,
}


def of_kind(objects, kind, name=None):
    """The objects of a kind."""
    return [o for o in objects if o["kind"] == kind and name in {None, o["metadata"]["name"]}]


def pods(objects):
    """The pod templates, by the name of what makes them."""
    kinds = ("Deployment", "Job")
    return {
        o["metadata"]["name"]: o["spec"]["template"] for k in kinds for o in of_kind(objects, k)
    }


def only(objects, kind, name=None):
    """The one object of a kind."""
    [found] = of_kind(objects, kind, name)
    return found


def environment(objects, part, prefix="layby"):
    """The variables of a part's container that have a value."""
    template = only(objects, "Deployment", f"{prefix}-{part}")["spec"]["template"]
    [container] = template["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}
