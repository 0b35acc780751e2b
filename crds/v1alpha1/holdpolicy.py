"""HoldPolicy: that all workloads with some labels may sleep, and how.

Owns spec, status, and the labels and annotations by which policies, workloads and TrafficHolds
know one another. Must not know who makes the TrafficHolds.
"""

from typing import Annotated, Literal

from pydantic import Field

from crds.condition import Conditions
from crds.duration import Between
from crds.model import Model
from crds.resource import Resource
from crds.rule import MapBy, not_empty, rule
from crds.selector import LabelSelector
from crds.v1alpha1.behaviour import Behaviour, Idle
from crds.v1alpha1.target import WorkloadKind

POLICY_LABEL = "layby.dev/policy"
"""On a TrafficHold: the name of the HoldPolicy that made it."""
HOLD_ANNOTATION = "layby.dev/hold"
"""On a workload or a namespace: with the value `false`, no policy touches it."""
LONGEST_NAME = 63
"""Of a policy: its name is the value of a label."""

_SOME_KIND = not_empty("leave kinds out to take Deployments and StatefulSets, or list at least one")
DEFAULT_KINDS = (WorkloadKind(kind="Deployment"), WorkloadKind(kind="StatefulSet"))


class PolicyIdle(Idle):
    """When a workload is put to sleep."""

    after: Annotated[float, Between("10s", "168h")] = 300.0
    """For how long no request may have come, been parked or been open, before a workload goes to
    sleep. At least ten seconds, lest a whole cluster flap; a TrafficHold may go lower."""


class TemplateSpec(Behaviour):
    """How the matched workloads are held, woken, scaled and put to sleep."""

    idle: PolicyIdle = PolicyIdle()


class Template(Model):
    """The TrafficHold to make for each matched workload."""

    spec: TemplateSpec = TemplateSpec()
    """The spec of each TrafficHold, but for its targetRef and services."""


class HoldPolicySpec(Model):
    """Which workloads may sleep, and how."""

    namespace_selector: LabelSelector
    """The namespaces, by their labels; {} is all of them. Never those of Kubernetes (kube-*), of
    Istio's control plane and of Layby itself."""
    selector: LabelSelector
    """The workloads, by the labels of the workload object itself; {} is all of them. A workload or
    a namespace with the annotation layby.dev/hold: "false" is left out."""
    kinds: Annotated[
        tuple[WorkloadKind, ...], Field(max_length=16), MapBy("apiVersion", "kind"), _SOME_KIND
    ] = DEFAULT_KINDS
    """The kinds of workload to look at. Left out, these are Deployment and StatefulSet."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Where several policies match one workload, the highest priority has it; among equals the
    oldest policy. A TrafficHold written by hand always wins."""
    template: Template = Template()


class HoldPolicyStatus(Model):
    """What the policy has come to."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """The metadata.generation that this status is about."""
    conditions: Conditions = ()
    """Accepted: the policy can be carried out. Ready: every matched workload has its
    TrafficHold."""
    matched: Annotated[int, Field(ge=0)] | None = None
    """How many workloads have their TrafficHold from this policy."""


class HoldPolicy(Resource):
    """A HoldPolicy lets every workload that it selects sleep at zero replicas.

    It makes a TrafficHold for each, follows changes of labels both ways, and never touches a
    TrafficHold written by hand. Try it with spec.template.spec.dryRun first.
    """

    api_version: Literal["layby.dev/v1alpha1"] = "layby.dev/v1alpha1"
    kind: Literal["HoldPolicy"] = "HoldPolicy"
    spec: HoldPolicySpec
    status: HoldPolicyStatus = HoldPolicyStatus()

    @rule(
        f"size(self.metadata.name) <= {LONGEST_NAME}",
        f"a policy's name may have {LONGEST_NAME} characters: it becomes a label of the "
        "TrafficHolds that it makes",
    )
    def name_fits_a_label(self) -> bool:
        """Whether the name can be the value of a label."""
        return len(self.metadata.name) <= LONGEST_NAME
