"""What the programs may do to a cluster, and which of their calls needs it."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "deploy" / "manifests"

WATCHED = "controller.informers:Informers.__init__"
FOLLOWED = "controller.informers:Informers.follow"
POLICIES = "controller.policy_reconciler:PolicyReconciler"
EFFECTS = "controller.effects:Effects"
KEDA = "controller.keda:Keda.__init__"
NAMED = 'fields=f"metadata.name='
SCALED = "controller.scaled_objects:ScaledObjects"
LEADER = "kube.leader:Leader"
MESH = "extproc.mesh.watch:MeshWatch.__init__"
LOOKOUT = "extproc.mesh.lookout"
LOOK = f"{LOOKOUT}:look"
SCALE = "extproc.mesh.waker:ScaleWaker._scale"
EVERYWHERE = ""


class Right(NamedTuple):
    """A verb on a resource, where the role is."""

    namespace: str
    resource: str
    verb: str


# Where, what, which verbs; the function that needs them, and the call in it. Applying what is not
# there yet takes both `create` and `patch`.
CALLS = [
    (EVERYWHERE, "trafficholds.layby.dev", "list watch", WATCHED, "TRAFFIC_HOLDS"),
    (EVERYWHERE, "trafficholds.layby.dev", "patch", f"{EFFECTS}._set_finalizer", "patch_merge("),
    (EVERYWHERE, "trafficholds.layby.dev", "create patch", f"{POLICIES}._apply", "apply("),
    (EVERYWHERE, "trafficholds.layby.dev", "delete", f"{POLICIES}._delete", "delete("),
    (EVERYWHERE, "trafficholds/status.layby.dev", "patch", f"{EFFECTS}.write_status", "_status("),
    (EVERYWHERE, "holdpolicies.layby.dev", "list watch", WATCHED, "HOLD_POLICIES"),
    (EVERYWHERE, "holdpolicies/status.layby.dev", "patch", f"{POLICIES}._write_status", "_status("),
    (EVERYWHERE, "namespaces", "list watch", WATCHED, "NAMESPACES"),
    (EVERYWHERE, "services", "list watch", WATCHED, "SERVICES"),
    (EVERYWHERE, "endpointslices.discovery.k8s.io", "list watch", WATCHED, "ENDPOINT_SLICES"),
    (EVERYWHERE, "deployments.apps", "list watch", FOLLOWED, "Selection("),
    (EVERYWHERE, "statefulsets.apps", "list watch", FOLLOWED, "Selection("),
    (EVERYWHERE, "replicasets.apps", "list watch", FOLLOWED, "Selection("),
    (EVERYWHERE, "rollouts.argoproj.io", "list watch", FOLLOWED, "Selection("),
    (EVERYWHERE, "*/scale.*", "get", "controller.targets:Targets._completed", "get_scale("),
    (EVERYWHERE, "*/scale.*", "patch", f"{EFFECTS}._scale", "patch_scale("),
    (EVERYWHERE, "customresourcedefinitions.apiextensions.k8s.io", "list watch", KEDA, NAMED),
    (EVERYWHERE, "scaledobjects.keda.sh", "list watch", KEDA, "SCALED_OBJECTS"),
    (EVERYWHERE, "scaledobjects.keda.sh", "create patch", f"{SCALED}._written", "apply("),
    (EVERYWHERE, "scaledobjects.keda.sh", "patch", f"{SCALED}._written", "patch_merge("),
    (EVERYWHERE, "scaledobjects.keda.sh", "delete", f"{EFFECTS}._delete", "removal.resource"),
    (
        EVERYWHERE,
        "destinationrules.networking.istio.io",
        "list watch",
        WATCHED,
        "DESTINATION_RULES",
    ),
    (
        EVERYWHERE,
        "destinationrules.networking.istio.io",
        "create patch",
        f"{EFFECTS}._apply",
        "apply(",
    ),
    (EVERYWHERE, "destinationrules.networking.istio.io", "delete", f"{EFFECTS}._delete", "delete("),
    (EVERYWHERE, "events.events.k8s.io", "create patch", "kube.events:Recorder._write", "EVENTS"),
    ("istio-system", "envoyfilters.networking.istio.io", "list watch", WATCHED, "ENVOY_FILTERS"),
    (
        "istio-system",
        "envoyfilters.networking.istio.io",
        "create patch",
        "controller.gate:GateKeeper.reconcile",
        "apply(",
    ),
    ("layby-system", "leases.coordination.k8s.io", "get", f"{LEADER}._look", "get("),
    ("layby-system", "leases.coordination.k8s.io", "watch", f"{LEADER}._wait", "watch("),
    ("layby-system", "leases.coordination.k8s.io", "create update", f"{LEADER}._put", "LEASES"),
]


HOLD_SERVER_CALLS = [
    (EVERYWHERE, "trafficholds.layby.dev", "list watch", MESH, "TRAFFIC_HOLDS"),
    (EVERYWHERE, "services", "list watch", MESH, "SERVICES"),
    (EVERYWHERE, "endpointslices.discovery.k8s.io", "list watch", MESH, "ENDPOINT_SLICES"),
    (EVERYWHERE, "*/scale.*", "get", SCALE, "get_scale("),
    (EVERYWHERE, "*/scale.*", "patch", SCALE, "patch_scale("),
    (EVERYWHERE, "pods", "list watch", f"{LOOKOUT}:Lookout.__init__", "PODS"),
    (EVERYWHERE, "events.events.k8s.io", "list", f"{LOOKOUT}:Lookout._events", "EVENTS"),
    (EVERYWHERE, "deployments.apps", "get", LOOK, "get("),
    (EVERYWHERE, "statefulsets.apps", "get", LOOK, "get("),
    (EVERYWHERE, "replicasets.apps", "get", LOOK, "get("),
    (EVERYWHERE, "rollouts.argoproj.io", "get", LOOK, "get("),
]
PROGRAMS = [("controller", CALLS), ("extproc", HOLD_SERVER_CALLS)]


def granted(program: str) -> Iterator[Right]:
    """The rights that the manifest gives."""
    for document in yaml.safe_load_all((MANIFESTS / f"{program}.yaml").read_text()):
        for rule in document.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        name = f"{resource}.{group}" if group else resource
                        yield Right(document["metadata"].get("namespace", EVERYWHERE), name, verb)


@pytest.mark.parametrize(("program", "calls"), PROGRAMS)
def test_a_program_may_do_what_its_calls_need_and_nothing_else(program, calls):
    """A right that nothing uses is of use to an intruder only."""
    needed = {
        Right(where, what, verb) for where, what, verbs, *_ in calls for verb in verbs.split()
    }
    assert needed == set(granted(program))


@pytest.mark.parametrize(
    ("function", "call"), sorted({(each[3], each[4]) for _, calls in PROGRAMS for each in calls})
)
def test_the_calls_are_there(function, call):
    """One that has gone must take its right with it."""
    module, _, path = function.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert call in inspect.getsource(found)


@pytest.mark.parametrize("program", [program for program, _ in PROGRAMS])
def test_roles_are_bound_to_their_program_alone(program):
    """And each where it is."""
    for document in yaml.safe_load_all((MANIFESTS / f"{program}.yaml").read_text()):
        if document["kind"].endswith("Binding"):
            name = document["metadata"]["name"]
            assert document["roleRef"]["kind"] + "Binding" == document["kind"]
            assert name == document["roleRef"]["name"]
            account = {"kind": "ServiceAccount", "name": name, "namespace": "layby-system"}
            assert [account] == document["subjects"]
