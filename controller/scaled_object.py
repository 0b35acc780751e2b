"""A ScaledObject: what of it matters here, and the one that Layby makes for a TrafficHold.

Owns the trigger, and what KEDA's own words in it mean. Must not know who applies it, nor whether it
is wanted. No I/O, no clock.

From KEDA's sources (2.20, pkg/scaling and controllers/keda):
* A change of the spec, and nothing else, has KEDA ask for the metric's target again: so it stands
  in the trigger, though the hold servers know it.
* Without a time of last activity, the workload goes to zero as soon as initialCooldownPeriod is
  over, counted from the ScaledObject's creation.
* The HorizontalPodAutoscaler is called keda-hpa- and the ScaledObject's name, in 63 characters.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from controller.indexes import adopter_of, target_of
from controller.rule import MANAGED_BY, MANAGER
from controller.workload import TargetKey
from crds.v1alpha1 import TrafficHold
from kube.resource import Key, Object, key_of

TRIGGER = "layby"
"""The trigger's name, which a formula of scalingModifiers can use."""
POLLING_SECONDS = 5
KEDA_POLLING_SECONDS = 30
"""KEDA's own, where a ScaledObject says nothing."""
_PAUSED = "autoscaling.keda.sh/paused"
_PAUSES = (_PAUSED, f"{_PAUSED}-scale-in", f"{_PAUSED}-scale-out")
_NO = frozenset({"0", "f", "F", "false", "FALSE", "False"})
"""What Go takes for false; KEDA takes all that it cannot read for true."""
_LONGEST_NAME = 54
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Scaler:
    """Where KEDA finds the hold servers."""

    address: str
    authentication: str = ""
    """A ClusterTriggerAuthentication; none if it is empty."""


class Verdict(NamedTuple):
    """What KEDA says of a ScaledObject."""

    status: str = ""
    """True, False or Unknown; empty if nothing is said."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """A ScaledObject."""

    key: Key
    uid: str
    item: Object
    target: TargetKey
    managed: bool
    """Whether Layby has made it, for whatever TrafficHold."""
    owners: frozenset[str]
    """The uids of what it goes with."""
    adopter: str
    """The uid of the TrafficHold that has changed it, though it is a user's; empty if none has."""
    ending: bool
    """Whether it is being deleted."""
    ready: Verdict
    active: bool
    """Whether one of its triggers keeps the workload up."""
    pause: str
    """The annotation that keeps KEDA from scaling; empty if there is none."""

    def __str__(self) -> str:
        return f"ScaledObject {self.key.name}"

    @classmethod
    def read(cls, item: Object) -> "ScaledObject":
        """Read a ScaledObject."""
        metadata = item["metadata"]
        annotations = metadata.get("annotations") or {}
        said = {
            each["type"]: Verdict(each.get("status", ""), each.get("message", ""))
            for each in (item.get("status") or {}).get("conditions") or ()
        }
        return cls(
            key=key_of(item),
            uid=metadata.get("uid", ""),
            item=item,
            target=target_of(item),
            managed=(metadata.get("labels") or {}).get(MANAGED_BY) == MANAGER,
            owners=frozenset(each["uid"] for each in metadata.get("ownerReferences") or ()),
            adopter=adopter_of(item).uid,
            ending=metadata.get("deletionTimestamp") is not None,
            ready=said.get("Ready", Verdict()),
            active=said.get("Active", Verdict()).status == "True",
            pause=_pause(annotations),
        )

    @property
    def floor(self) -> int:
        """How many replicas are kept when no trigger is active."""
        spec = self.item["spec"]
        idle = spec.get("idleReplicaCount")
        return int(idle if idle is not None else spec.get("minReplicaCount") or 0)

    @property
    def polling_seconds(self) -> float:
        """How often KEDA asks whether a trigger is active."""
        return float(self.item["spec"].get("pollingInterval") or KEDA_POLLING_SECONDS)

    @property
    def formula(self) -> str:
        """The formula that all triggers are made into one by; empty if there is none."""
        modifiers = (self.item["spec"].get("advanced") or {}).get("scalingModifiers") or {}
        return str(modifiers.get("formula") or "")


def name_of(hold: str) -> str:
    """Return the name of the ScaledObject for a TrafficHold."""
    name = f"layby-{hold}"
    if len(name) <= _LONGEST_NAME:
        return name
    digits = hashlib.sha256(hold.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _LONGEST_NAME - _DIGITS - 1].rstrip('-.')}-{digits}"


def is_ours(trigger: Mapping[str, Any]) -> bool:
    """Whether a trigger is the one that Layby adds."""
    return trigger.get("type") == "external-push" and trigger.get("name") == TRIGGER


def trigger_for(hold: TrafficHold, scaler: Scaler, polling_seconds: int) -> dict[str, Any]:
    """Return the trigger by which KEDA asks the hold servers."""
    target = hold.spec.scaling.target
    measure = (
        {"concurrency": str(target.concurrency)}
        if target.concurrency is not None
        else {"requestsPerSecond": str(target.requests_per_second)}
    )
    reference = {"kind": "ClusterTriggerAuthentication", "name": scaler.authentication}
    return {
        "type": "external-push",
        "name": TRIGGER,
        "metricType": "AverageValue",
        "metadata": {
            "scalerAddress": scaler.address,
            "trafficHold": hold.metadata.name,
            "pollingInterval": str(polling_seconds),
            **measure,
        },
        **({"authenticationRef": reference} if scaler.authentication else {}),
    }


def make(hold: TrafficHold, scaler: Scaler, floor: int) -> dict[str, Any]:
    """Return the ScaledObject for a TrafficHold, which keeps so many replicas at least."""
    spec, metadata = hold.spec, hold.metadata
    scaling, target = spec.scaling, spec.target_ref
    polling = polling_seconds(hold) or POLLING_SECONDS
    cooldown = math.ceil(spec.idle.after)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": name_of(metadata.name),
            "namespace": metadata.namespace,
            "labels": {MANAGED_BY: MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": target.api_version,
                "kind": target.kind,
                "name": target.name,
            },
            "minReplicaCount": floor,
            "maxReplicaCount": scaling.max_replicas,
            "pollingInterval": polling,
            "cooldownPeriod": cooldown,
            "initialCooldownPeriod": cooldown,
            **({"advanced": _advanced(scaling.behavior)} if scaling.behavior else {}),
            **({"fallback": fallback(hold)} if scaling.fallback else {}),
            "triggers": [trigger_for(hold, scaler, polling)],
        },
    }


def polling_seconds(hold: TrafficHold) -> int | None:
    """Return how often KEDA is to ask; none if the TrafficHold does not say."""
    interval = hold.spec.scaling.polling_interval
    return math.ceil(interval) if interval is not None else None


def fallback(hold: TrafficHold) -> dict[str, int] | None:
    """Return what KEDA is to do without an answer, as a ScaledObject has it."""
    wanted = hold.spec.scaling.fallback
    return wanted.model_dump(mode="json", by_alias=True) if wanted else None


def _advanced(behavior: Mapping[str, object]) -> dict[str, Any]:
    return {"horizontalPodAutoscalerConfig": {"behavior": dict(behavior)}}


def _pause(annotations: Mapping[str, str]) -> str:
    if f"{_PAUSED}-replicas" in annotations:
        return f"{_PAUSED}-replicas"
    return next((name for name in _PAUSES if annotations.get(name, "false") not in _NO), "")
