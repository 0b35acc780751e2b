"""What of Layby is in a cluster, and how it is taken out of it.

Must not know who has installed it.
"""

from e2e import layby
from e2e.stack.api import ApiError
from e2e.stack.processes import until

WITHIN = 30.0
BESIDE = {"Event", "Namespace", "APIService"}
"""Kinds that others make for it: history, its place, what serves a definition."""


def forget(api):
    """Delete all that another test has installed with plain manifests, and the definitions."""
    if not definitions(api):
        return
    for kind in ("HoldPolicy", "TrafficHold"):
        for item in everywhere(api, "layby.dev/v1alpha1", kind):
            api.delete([item])
    assert until(lambda: not everywhere(api, "layby.dev/v1alpha1", "TrafficHold"), WITHIN)
    for path in sorted((layby.ROOT / "deploy" / "manifests").glob("*.yaml")):
        api.delete(path.read_text())
    version, kind = "networking.istio.io/v1alpha3", "EnvoyFilter"
    api.delete([i for i in everywhere(api, version, kind) if i["metadata"]["name"] == "layby"])
    assert until(lambda: not api.items("v1", "Pod", layby.NAMESPACE), WITHIN)
    api.delete(everywhere(api, "coordination.k8s.io/v1", "Lease", layby.NAMESPACE))
    api.delete(definitions(api))


def definitions(api):
    """Layby's CustomResourceDefinitions."""
    found = everywhere(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return [item for item in found if item["spec"]["group"] == "layby.dev"]


def everywhere(api, version, kind, namespace=None):
    """All objects of a kind, each with its kind."""
    stub = {"apiVersion": version, "kind": kind, "metadata": {"namespace": "-"}}
    path = api.path(stub, collection=True)
    path = path.replace("/namespaces/-", f"/namespaces/{namespace}" if namespace else "")
    items = api.request("GET", path)["items"]
    return [{**item, "apiVersion": version, "kind": kind} for item in items]


def remains(api):
    """Whatever of any kind is Layby's by its name or labels, but for what says what happened."""
    groups = api.request("GET", "/apis")["groups"]
    found = set()
    for root in ("/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in groups)):
        for resource in told(api, root, "resources"):
            listable = "list" in resource["verbs"] and "/" not in resource["name"]
            if listable and resource["kind"] not in BESIDE:
                for item in told(api, f"{root}/{resource['name']}", "items"):
                    if is_ours(item):
                        found.add(f"{resource['kind']} {item['metadata']['name']}")
    return found


def told(api, path, what):
    """Part of an answer: what is listed may be gone a moment later."""
    try:
        return api.request("GET", path).get(what) or ()
    except ApiError:
        return ()


def is_ours(item):
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    words = (metadata["name"], labels.get("app.kubernetes.io/part-of", ""))
    return any("layby" in word for word in (*words, labels.get("app.kubernetes.io/managed-by", "")))
