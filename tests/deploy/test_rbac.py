"""What the programs may do to a cluster, and which of their calls needs it."""

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.deploy.charts import of_kind

MANIFESTS = Path(__file__).parents[2] / "deploy" / "manifests"

WATCHED = "controller.informers:Informers.__init__"
FOLLOWED = "controller.informers:Informers.follow"
POLICIES = "controller.policy_reconciler:PolicyReconciler"
EFFECTS = "controller.effects:Effects"
KEDA = "controller.keda:Keda.__init__"
SCALED = "controller.scaled_objects:ScaledObjects"
LEADER = "kube.leader:Leader"
MESH = "extproc.mesh.watch:MeshWatch.__init__"
LOOKOUT = "extproc.mesh.lookout"
LOOK = f"{LOOKOUT}:look"
SCALE = "extproc.mesh.waker:ScaleWaker._scale"
LEAVING = "cli.leaving:Leaving"
EVERYWHERE = ""
ROOT, OWN = "istio-system", "layby-system"
SOME = ["shop", "till"]


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
    (ROOT, "envoyfilters.networking.istio.io", "list watch", WATCHED, "ENVOY_FILTERS"),
    (
        ROOT,
        "envoyfilters.networking.istio.io",
        "create patch",
        "controller.gate:GateKeeper.reconcile",
        "apply(",
    ),
    (
        ROOT,
        "envoyfilters.networking.istio.io",
        "delete",
        "controller.gate:GateKeeper._remove_log_of_its_own",
        "delete(",
    ),
    (OWN, "leases.coordination.k8s.io", "get", f"{LEADER}._look", "get("),
    (OWN, "leases.coordination.k8s.io", "watch", f"{LEADER}._wait", "watch("),
    (OWN, "leases.coordination.k8s.io", "create update", f"{LEADER}._put", "LEASES"),
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
UNINSTALL_CALLS = [
    (EVERYWHERE, "trafficholds.layby.dev", "list", f"{LEAVING}._list", "list("),
    (EVERYWHERE, "trafficholds.layby.dev", "delete", f"{LEAVING}.delete", "TRAFFIC_HOLDS"),
    (EVERYWHERE, "holdpolicies.layby.dev", "list delete", f"{LEAVING}.delete", "HOLD_POLICIES"),
    (EVERYWHERE, "*/scale.*", "get", "cli.workloads:Workloads._scale", "get_scale("),
    (EVERYWHERE, "*/scale.*", "patch", "cli.workloads:Workloads._scale", "patch_scale("),
    (
        EVERYWHERE,
        "endpointslices.discovery.k8s.io",
        "list",
        "cli.endpoints:ready_endpoints",
        "ENDPOINT_SLICES",
    ),
    (ROOT, "envoyfilters.networking.istio.io", "delete", f"{LEAVING}.detach", "ENVOY_FILTERS"),
]
PROGRAMS = [("controller", CALLS), ("extproc", HOLD_SERVER_CALLS)]
ALL = [*PROGRAMS, ("uninstall", UNINSTALL_CALLS)]

OF_THE_CLUSTER = {"holdpolicies.layby.dev", "namespaces"}
"""What a role of a namespace cannot grant: with `watchNamespaces` nothing asks for it, and the
policies, which are not served then, ask for nothing."""
PEERS = "feed.hold_servers:HoldServers.__init__"
BESIDE = {
    # What a right in all namespaces covers, and one in those that are watched does not.
    "controller": [
        (
            ROOT,
            "destinationrules.networking.istio.io",
            "list watch",
            WATCHED,
            "mesh.root_namespace",
        ),
        (OWN, "endpointslices.discovery.k8s.io", "list watch", PEERS, "ENDPOINT_SLICES"),
    ],
    "extproc": [(OWN, "endpointslices.discovery.k8s.io", "list watch", PEERS, "ENDPOINT_SLICES")],
    "uninstall": [],
}


def granted(documents: Iterable[Any], program: str) -> Iterator[Right]:
    """The rights that a program is given."""
    for document in documents:
        if document["metadata"]["name"] != f"layby-{program}":
            continue
        for rule in document.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        name = f"{resource}.{group}" if group else resource
                        yield Right(document["metadata"].get("namespace", EVERYWHERE), name, verb)


def needed(calls: Iterable[Any]) -> set[Right]:
    """The rights that calls need."""
    return {Right(where, what, verb) for where, what, verbs, *_ in calls for verb in verbs.split()}


@pytest.mark.parametrize(("program", "calls"), PROGRAMS)
def test_a_program_may_do_what_its_calls_need_and_nothing_else(program, calls):
    """A right that nothing uses is of use to an intruder only."""
    documents = yaml.safe_load_all((MANIFESTS / f"{program}.yaml").read_text())
    assert needed(calls) == set(granted(documents, program))


def test_the_hook_may_do_what_leaving_needs_and_nothing_else(render):
    """It is in no manifest: only Helm has hooks."""
    assert needed(UNINSTALL_CALLS) == set(granted(render(), "uninstall"))


@pytest.mark.parametrize(("program", "calls"), ALL)
def test_with_some_namespaces_each_right_is_a_roles(render, program, calls):
    """That is what somebody who shares a cluster asks first."""
    objects = render({"watchNamespaces": SOME})
    assert not of_kind(objects, "ClusterRole")
    assert not of_kind(objects, "ClusterRoleBinding")
    there = [
        (namespace, *each[1:])
        for each in calls
        for namespace in ([each[0]] if each[0] else SOME)
        if each[1] not in OF_THE_CLUSTER and not each[3].startswith(POLICIES)
    ]
    assert needed([*there, *BESIDE[program]]) == set(granted(objects, program))


def test_with_some_namespaces_nothing_else_is_made_for_the_cluster(render):
    """But the definitions, which somebody else may make: `crds.install`."""
    objects = render({"watchNamespaces": SOME, "crds": {"install": False}})
    assert [] == [each for each in objects if "namespace" not in each["metadata"]]


@pytest.mark.parametrize(
    ("function", "call"),
    sorted(
        {(each[3], each[4]) for _, calls in ALL for each in calls}
        | {(each[3], each[4]) for calls in BESIDE.values() for each in calls}
    ),
)
def test_the_calls_are_there(function, call):
    """One that has gone must take its right with it."""
    module, _, path = function.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert call in inspect.getsource(found)


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": SOME}], ids=["all", "some"])
def test_roles_are_bound_to_their_program_alone(render, values):
    """And each where it is."""
    roles = []
    bindings = []
    for document in render(values):
        metadata = document["metadata"]
        where = (metadata["name"], metadata.get("namespace"))
        if "rules" in document:
            roles.append((document["kind"], *where))
        if document["kind"].endswith("Binding"):
            bindings.append((document["roleRef"]["kind"], document["roleRef"]["name"], where[1]))
            assert document["roleRef"]["kind"] + "Binding" == document["kind"]
            account = {"kind": "ServiceAccount", "name": where[0], "namespace": OWN}
            assert [account] == document["subjects"]
    assert sorted(map(str, roles)) == sorted(map(str, bindings))
