"""What policies look at, and what they make of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from controller.policy import PolicyPlan, Scene, plan_policies
from controller.workload import Workload
from crds.v1alpha1 import HoldPolicy
from tests.controller import objects
from tests.controller.objects import deployment, namespace

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALL: Mapping[str, Any] = {"namespaceSelector": {}, "selector": {}}
PROD = {"namespaceSelector": {"matchLabels": {"env": "prod"}}, "selector": {}}
CART = Workload.read(deployment())


def policy(name="all", spec=ALL, **metadata) -> HoldPolicy:
    return HoldPolicy.parse(objects.policy(name, spec=spec, **metadata))


def scene(
    *policies: HoldPolicy,
    workloads: Iterable[Workload] = (CART,),
    holds: Iterable[Any] = (),
    space: Any = None,
    **more: Any,
) -> Scene:
    return Scene(
        policies=policies or (policy(),),
        namespaces={"shop": space or namespace()},
        workloads=tuple(workloads),
        holds=tuple(holds),
        **more,
    )


def children(made: PolicyPlan) -> dict[str, str]:
    """Return the TrafficHolds that are applied, and whose they are."""
    return {
        item["metadata"]["name"]: item["metadata"]["labels"]["layby.dev/policy"]
        for item in made.apply
    }


def with_uid(item: Any, uid: str) -> Any:
    """Return an object as it is once it has been applied."""
    return {**item, "metadata": {**item["metadata"], "uid": uid}}


def settled(before: Scene) -> Scene:
    """Return the scene after a plan has been carried out."""
    made = plan_policies(before, NOW)
    gone = {removal.uid for removal in made.delete}
    applied = {item["metadata"]["name"]: with_uid(item, "uid") for item in made.apply}
    kept = [
        item
        for item in before.holds
        if item["metadata"]["uid"] not in gone and item["metadata"]["name"] not in applied
    ]
    statuses = {each.metadata.name: status for each, status in made.statuses}
    return Scene(
        policies=[
            each.model_copy(update={"status": statuses.get(each.metadata.name, each.status)})
            for each in before.policies
        ],
        namespaces=before.namespaces,
        workloads=before.workloads,
        holds=[*kept, *applied.values()],
        protected=before.protected,
        unread=before.unread,
        unseen=before.unseen,
    )


def child(of="all", **more):
    """Return the TrafficHold that a policy has made for cart."""
    return with_uid(plan_policies(scene(policy(of)), NOW).apply[0], "uid-of-child") | more
