"""The CustomResourceDefinitions: names, versions, columns, and the schemas of the models.

Owns what `kubectl get` shows and what a kind is called. Must not know the fields of any kind.
"""

from dataclasses import dataclass
from typing import Any, Literal

from crds import GROUP, v1alpha1
from crds.resource import Resource
from crds.schema import Schema, structural

_STANDARD = {
    "apiVersion": "The version of the schema that this object is written in.",
    "kind": "The kind of the object.",
}
_READY = '.status.conditions[?(@.type=="Ready")]'


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one is shown by `-o wide` only."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "date", "boolean"] = "string"
    wide: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as a definition has it."""
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            "priority": int(self.wide),
        }


AGE = Column("Age", ".metadata.creationTimestamp", "Since when it is there.", "date")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a kind. Of all versions exactly one is stored."""

    name: str
    model: type[Resource]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    served: bool = True
    stored: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return it as a definition has it."""
        fields = [{"jsonPath": path} for path in self.selectable]
        return {
            "name": self.name,
            "served": self.served,
            "storage": self.stored,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [column.to_dict() for column in self.columns],
            **({"selectableFields": fields} if fields else {}),
            "schema": {"openAPIV3Schema": _envelope(structural(self.model))},
        }


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind in all its versions."""

    kind: str
    plural: str
    short: str
    scope: Literal["Namespaced", "Cluster"]
    versions: tuple[Version, ...]

    @property
    def name(self) -> str:
        """The name of the definition."""
        return f"{self.plural}.{GROUP}"

    def to_dict(self) -> dict[str, Any]:
        """Return the CustomResourceDefinition."""
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/part-of": "layby"}},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                    "shortNames": [self.short],
                    "categories": ["layby"],
                },
                "scope": self.scope,
                "versions": [version.to_dict() for version in self.versions],
            },
        }


TRAFFIC_HOLD = Definition(
    kind="TrafficHold",
    plural="trafficholds",
    short="th",
    scope="Namespaced",
    versions=(
        Version(
            name="v1alpha1",
            model=v1alpha1.TrafficHold,
            columns=(
                Column("Phase", ".status.phase", "What the workload is doing."),
                Column("Ready", f"{_READY}.status", "Whether the hold is in force."),
                Column("Target", ".spec.targetRef.name", "The workload."),
                Column("Kind", ".spec.targetRef.kind", "The workload's kind.", wide=True),
                Column("Pending", ".status.pending", "Requests parked now.", "integer"),
                Column("Last Wake", ".status.lastWake.at", "When it was last woken.", "date"),
                Column("Took", ".status.lastWake.duration", "How long that took.", wide=True),
                Column("Dry Run", ".spec.dryRun", "Whether it only reports.", "boolean", wide=True),
                Column("Reason", f"{_READY}.reason", "Why it is ready, or not.", wide=True),
                AGE,
            ),
            selectable=(".spec.targetRef.kind", ".spec.targetRef.name", ".status.phase"),
        ),
    ),
)
HOLD_POLICY = Definition(
    kind="HoldPolicy",
    plural="holdpolicies",
    short="hp",
    scope="Cluster",
    versions=(
        Version(
            name="v1alpha1",
            model=v1alpha1.HoldPolicy,
            columns=(
                Column("Ready", f"{_READY}.status", "Whether it is in force."),
                Column("Matched", ".status.matched", "Workloads that it holds.", "integer"),
                Column("Priority", ".spec.priority", "The higher one wins.", "integer"),
                Column(
                    "Dry Run", ".spec.template.spec.dryRun", "Whether it only reports.", "boolean"
                ),
                Column("Reason", f"{_READY}.reason", "Why it is ready, or not.", wide=True),
                AGE,
            ),
        ),
    ),
)
DEFINITIONS = (TRAFFIC_HOLD, HOLD_POLICY)


def _envelope(schema: Schema) -> Schema:
    """Leave to the API server what it wants to own: version, kind and metadata."""
    properties = {
        **{name: {"description": text, "type": "string"} for name, text in _STANDARD.items()},
        "metadata": {"type": "object"},
        "spec": schema["properties"]["spec"],
        "status": schema["properties"]["status"],
    }
    # A default status would look like one that somebody has reported.
    properties["status"].pop("default", None)
    return {**schema, "properties": properties, "required": ["spec"]}
