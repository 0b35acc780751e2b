"""A TrafficHold that breaks the schema of this version, and yet has to be able to go.

Owns what can be read of it all the same. Must not know how a plan is carried out. No I/O, no clock.
"""

from pydantic import ValidationError

from controller import events
from controller.facts import FINALIZER
from controller.steps import Plan, Scaling
from controller.workload import Workload
from crds.v1alpha1.target import TargetRef
from crds.v1alpha1.traffichold import TrafficHoldStatus
from kube.resource import Object


def is_leaving(item: Object) -> bool:
    """Whether it is being deleted, and waits for Layby."""
    metadata = item["metadata"]
    return "deletionTimestamp" in metadata and FINALIZER in (metadata.get("finalizers") or ())


def target_ref(item: Object) -> TargetRef | None:
    """Return what it holds, if that can be read."""
    try:
        return TargetRef.model_validate(
            (item.get("spec") or {}).get("targetRef"),
            strict=False,
            extra="ignore",
            by_alias=True,
            by_name=False,
        )
    except ValidationError:
        return None


def last_plan(workload: Workload | None, replicas: int, refusal: str) -> Plan:
    """Wake the workload, if it sleeps and can be scaled, and let go.

    Nothing is waited for: the hold servers cannot read it either, and hold none of its requests.
    """
    if workload is None or replicas or refusal:
        return Plan(finalizer=False)
    told = events.roused(workload.key, 1, "the TrafficHold is being deleted")
    return Plan(finalizer=False, scale=Scaling(0, 1, told))


def read_status(item: Object) -> TrafficHoldStatus:
    """Return its status, as far as that can be read."""
    try:
        return TrafficHoldStatus.model_validate(
            item.get("status") or {}, strict=False, extra="ignore", by_alias=True, by_name=False
        )
    except ValidationError:
        return TrafficHoldStatus()
