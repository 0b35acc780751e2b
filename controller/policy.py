"""Which TrafficHolds the policies want: one for each workload that a policy wins, and no other.

Owns precedence: a TrafficHold written by hand, then the policy of the highest priority, then the
oldest. Must not know how any of it is carried out. No I/O, no clock: `now` is an argument.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from controller.applied import is_current, stamped
from controller.indexes import target_of
from controller.rule import MANAGED_BY, MANAGER
from controller.workload import KindKey, TargetKey, Workload
from crds import GROUP
from crds.condition import Accepted, Conditions, Ready, judge, merge
from crds.v1alpha1 import HoldPolicy
from crds.v1alpha1.holdpolicy import HOLD_ANNOTATION, POLICY_LABEL, HoldPolicyStatus
from crds.v1alpha1.target import WorkloadKind
from kube.resource import Key, Object, key_of

KUBERNETES = "kube-"
"""How the names of Kubernetes' own namespaces begin."""
_NAMES = 5
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is."""

    policies: Sequence[HoldPolicy]
    namespaces: Mapping[str, Object]
    workloads: Sequence[Workload]
    """Those that a Service leads to. Of the others no request ever comes."""
    holds: Sequence[Object]
    protected: frozenset[str] = frozenset()
    """Namespaces that no policy touches, beside those of Kubernetes."""
    unread: frozenset[str] = frozenset()
    """Policies that cannot be read. What they have made is left alone."""
    unseen: frozenset[KindKey] = frozenset()
    """Kinds of which it cannot be told what there is. Their TrafficHolds are left alone."""


class Removal(NamedTuple):
    """A TrafficHold of a policy's that no policy wants any more."""

    key: Key
    uid: str
    vanished: bool = False
    """Whether that is for want of the workload, or of a Service that leads to it."""


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """What to do."""

    apply: tuple[Object, ...] = ()
    delete: tuple[Removal, ...] = ()
    statuses: tuple[tuple[HoldPolicy, HoldPolicyStatus], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self == PolicyPlan()


def plan_policies(scene: Scene, now: datetime) -> PolicyPlan:
    """Decide what to do about all policies."""
    by_hand, children = _divided(scene.holds)
    taken = {target_of(hold) for hold in by_hand}
    names = {key_of(hold) for hold in by_hand}
    wanted: dict[Key, Object] = {}
    matched: defaultdict[str, int] = defaultdict(int)
    blocked: defaultdict[str, list[Key]] = defaultdict(list)
    for policy, workload in _won(scene):
        if workload.key in taken:
            continue
        child = stamped(_child(policy, workload))
        key = key_of(child)
        if key in names:
            blocked[policy.metadata.name].append(key)
            continue
        matched[policy.metadata.name] += 1
        wanted[key] = child
    statuses = (
        (policy, _status(policy, matched[name], blocked[name], now))
        for policy in scene.policies
        for name in (policy.metadata.name,)
    )
    return PolicyPlan(
        tuple(each for key, each in wanted.items() if not is_current(each, children.get(key))),
        tuple(_removals(scene, children, wanted)),
        tuple((policy, wanted) for policy, wanted in statuses if policy.status != wanted),
    )


def child_name(workload: TargetKey) -> str:
    """Return the name of a workload's TrafficHold, whichever policy makes it.

    As no policy is in it, a workload that sleeps goes over to another policy as it is.
    """
    if (workload.group, workload.kind) == ("apps", "Deployment"):
        return workload.name
    return f"{workload.name[: _LONGEST_NAME - 64]}-{workload.kind.lower()}"


def is_child(hold: Object) -> bool:
    """Whether a policy has made a TrafficHold, so that it may be changed and deleted."""
    metadata = hold["metadata"]
    labels = metadata.get("labels") or {}
    return (
        labels.get(MANAGED_BY) == MANAGER
        and POLICY_LABEL in labels
        and any(
            owner.get("kind") == "HoldPolicy"
            and str(owner.get("apiVersion", "")).startswith(f"{GROUP}/")
            for owner in metadata.get("ownerReferences") or ()
        )
    )


def _divided(holds: Iterable[Object]) -> tuple[list[Object], dict[Key, Object]]:
    by_hand: list[Object] = []
    children: dict[Key, Object] = {}
    for hold in holds:
        if is_child(hold):
            children[key_of(hold)] = hold
        else:
            by_hand.append(hold)
    return by_hand, children


def _removals(
    scene: Scene, children: Mapping[Key, Object], wanted: Mapping[Key, Object]
) -> Iterator[Removal]:
    there = {workload.key for workload in scene.workloads}
    ruling = {p.metadata.name for p in scene.policies if not p.metadata.deletion_timestamp}
    for key, child in children.items():
        metadata, target = child["metadata"], target_of(child)
        label = metadata["labels"][POLICY_LABEL]
        doubtful = KindKey(target.group, target.kind) in scene.unseen or label in scene.unread
        if key not in wanted and not doubtful and metadata.get("deletionTimestamp") is None:
            yield Removal(key, metadata.get("uid", ""), target not in there and label in ruling)


def _won(scene: Scene) -> Iterator[tuple[HoldPolicy, Workload]]:
    policies = [each for each in scene.policies if each.metadata.deletion_timestamp is None]
    policies.sort(key=_precedence)
    # What a policy says of a namespace is the same for all of its workloads.
    open_to: dict[str, list[HoldPolicy]] = {}
    for workload in scene.workloads:
        namespace = workload.key.namespace
        if namespace not in open_to:
            open_to[namespace] = _policies_for(namespace, policies, scene)
        if _is_out(workload):
            continue
        for policy in open_to[namespace]:
            if _selects(policy, workload):
                yield policy, workload
                break


def _precedence(policy: HoldPolicy) -> tuple[object, ...]:
    created = policy.metadata.creation_timestamp
    return (-policy.spec.priority, created.timestamp() if created else 0.0, policy.metadata.name)


def _policies_for(name: str, policies: Sequence[HoldPolicy], scene: Scene) -> list[HoldPolicy]:
    item = scene.namespaces.get(name)
    if item is None or name in scene.protected or name.startswith(KUBERNETES):
        return []
    metadata = item["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    if annotations.get(HOLD_ANNOTATION) == "false" or metadata.get("deletionTimestamp"):
        return []
    return [each for each in policies if each.spec.namespace_selector.matches(labels)]


def _is_out(workload: Workload) -> bool:
    opted_out = workload.annotations.get(HOLD_ANNOTATION) == "false"
    return opted_out or workload.is_gateway or workload.is_part


def _selects(policy: HoldPolicy, workload: Workload) -> bool:
    kind = (workload.key.group, workload.key.kind)
    return policy.spec.selector.matches(workload.labels) and any(
        _kind(each) == kind for each in policy.spec.kinds
    )


def _kind(reference: WorkloadKind) -> KindKey:
    return KindKey(reference.api_version.rpartition("/")[0], reference.kind)


def _child(policy: HoldPolicy, workload: Workload) -> dict[str, Any]:
    template = policy.spec.template.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    version = next(
        each.api_version
        for each in policy.spec.kinds
        if _kind(each) == (workload.key.group, workload.key.kind)
    )
    owner = {
        "apiVersion": policy.api_version,
        "kind": policy.kind,
        "name": policy.metadata.name,
        "uid": policy.metadata.uid,
        "controller": True,
    }
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "TrafficHold",
        "metadata": {
            "name": child_name(workload.key),
            "namespace": workload.key.namespace,
            "labels": {MANAGED_BY: MANAGER, POLICY_LABEL: policy.metadata.name},
            "ownerReferences": [owner],
        },
        "spec": {
            "targetRef": {
                "apiVersion": version,
                "kind": workload.key.kind,
                "name": workload.key.name,
            },
            **template,
        },
    }


def _status(
    policy: HoldPolicy, matched: int, blocked: Sequence[Key], now: datetime
) -> HoldPolicyStatus:
    generation = policy.metadata.generation
    if blocked:
        names = ", ".join("/".join(key) for key in blocked[:_NAMES])
        reason: Ready = Ready.PARTIAL
        message = (
            f"{len(blocked)} workloads have no TrafficHold, for another workload's has its name: "
            f"rename {names}"
        )
    else:
        reason, message = Ready.READY, ""
    conditions: Conditions = merge(
        policy.status.conditions,
        judge(Accepted.ACCEPTED, now=now, generation=generation),
        judge(reason, message, now=now, generation=generation),
    )
    return HoldPolicyStatus(observed_generation=generation, conditions=conditions, matched=matched)
