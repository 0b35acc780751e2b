"""What a TrafficHold is for: a workload with replicas, and the services that lead to it.

Owns which kinds cannot be meant, and what to name instead. Must not know whether they exist.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from crds.model import Model
from crds.rule import matching, rule

_API_VERSION = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?v[0-9][a-z0-9]{0,30}$"
_KIND = "^[A-Z][A-Za-z0-9]*$"
_NAME = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_LABEL = "^[a-z]([-a-z0-9]*[a-z0-9])?$"

_APPS = "apps/v1"
_SCALABLE_IN_APPS = ("Deployment", "StatefulSet", "ReplicaSet")
_ONE_OFF = ("Job", "CronJob", "ScaledJob")
_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
_NEVER = ("DaemonSet", "Pod", "Service", *_ONE_OFF, *_SCALERS)


ApiVersion = Annotated[
    str,
    Field(max_length=285),
    matching(_API_VERSION, "write the group and version of the kind, such as apps/v1"),
]
Kind = Annotated[
    str,
    Field(max_length=63),
    matching(_KIND, "write the kind as its manifest does, such as Deployment"),
]


class WorkloadKind(Model):
    """A kind of workload that has a scale subresource."""

    api_version: ApiVersion = _APPS
    """Group and version of the kind, such as apps/v1, or argoproj.io/v1alpha1 for a Rollout."""
    kind: Kind = "Deployment"
    """Any kind with a scale subresource: Deployment, StatefulSet, an Argo Rollout, one's own."""

    @rule(
        "!(self.kind in ['DaemonSet', 'Pod'])",
        "a DaemonSet or a Pod has no replicas that could be scaled: "
        "name the Deployment or StatefulSet that serves the requests",
        at="kind",
    )
    def has_replicas(self) -> bool:
        """Whether there is a number of replicas to change."""
        return self.kind not in {"DaemonSet", "Pod"}

    @rule(
        f"!(self.kind in {list(_ONE_OFF)})",
        "a Job, CronJob or ScaledJob runs to its end and has no requests to hold: "
        "name the Deployment or StatefulSet that serves the requests",
        at="kind",
    )
    def serves_requests(self) -> bool:
        """Whether requests go to it."""
        return self.kind not in _ONE_OFF

    @rule(
        "self.kind != 'Service'",
        "a Service has no replicas that could be scaled: "
        "name the workload behind it (a TrafficHold lists Services in spec.services)",
        at="kind",
    )
    def is_workload(self) -> bool:
        """Whether it is not what leads to a workload."""
        return self.kind != "Service"

    @rule(
        f"!(self.kind in {list(_SCALERS)})",
        "name the workload itself, not its autoscaler: Layby finds a ScaledObject by its target",
        at="kind",
    )
    def is_no_scaler(self) -> bool:
        """Whether it is not what scales a workload."""
        return self.kind not in _SCALERS

    @rule(
        f"self.apiVersion != '{_APPS}' || self.kind in {[*_SCALABLE_IN_APPS, *_NEVER]}",
        "apps/v1 has no such kind: give the apiVersion too, such as argoproj.io/v1alpha1 "
        "for a Rollout",
        at="apiVersion",
    )
    def group_is_given(self) -> bool:
        """Whether the default apiVersion can be meant."""
        return self.api_version != _APPS or self.kind in {*_SCALABLE_IN_APPS, *_NEVER}


class TargetRef(WorkloadKind):
    """The workload that may sleep, in the namespace of the TrafficHold."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    name: Annotated[
        str,
        Field(max_length=253),
        matching(_NAME, "write the workload's own name: lower-case letters, digits, '-' and '.'"),
    ]
    """The workload's name."""

    @rule(
        "self.kind == oldSelf.kind && self.name == oldSelf.name "
        "&& self.apiVersion.contains('/') == oldSelf.apiVersion.contains('/') "
        "&& (!self.apiVersion.contains('/') "
        "|| self.apiVersion.split('/')[0] == oldSelf.apiVersion.split('/')[0])",
        "targetRef cannot be changed, but for the version in its apiVersion: delete this "
        "TrafficHold and create another; requests parked meanwhile are let go, not lost",
    )
    def is_kept(self) -> bool:
        """Whether it is what it was, which the API server alone can tell."""
        return True


class ServiceRef(Model):
    """A Service whose requests are held."""

    name: Annotated[
        str,
        Field(max_length=63),
        matching(_LABEL, "write the Service's short name, without namespace or domain"),
    ]
    """The Service's name, in the namespace of the TrafficHold."""
