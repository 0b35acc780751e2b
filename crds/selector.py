"""Label selectors, as Kubernetes has them: what they may say, and what they match.

An empty one matches everything. Must not know what is selected.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import ConfigDict, Field

from crds.model import Model
from crds.rule import Rule, matching, rule

_KEY = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_NO_KEY = "write a label's key, such as app.kubernetes.io/name; to select everything write {}"

LabelKey = Annotated[str, Field(max_length=317), matching(_KEY, _NO_KEY)]
LabelValue = Annotated[str, Field(max_length=63)]


class Operator(StrEnum):
    """How a key's value is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(Model):
    """A condition on the value of one label."""

    key: LabelKey
    """The label's key."""
    operator: Operator
    """How its value is compared. NotIn and DoesNotExist also match where the label is absent."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()
    """The values for In and NotIn; none for Exists and DoesNotExist."""

    @rule(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "In and NotIn need values, Exists and DoesNotExist take none",
        at="values",
    )
    def _values_fit(self) -> bool:
        return bool(self.values) == (self.operator in {Operator.IN, Operator.NOT_IN})

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels fulfils the condition."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels
            case _:
                assert_never(self.operator)


class LabelSelector(Model):
    """Selects objects by their labels; all conditions must be met, and {} selects every object."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=64),
        Rule(
            f"self.all(key, key.matches(r'{_KEY}'))",
            _NO_KEY,
            lambda labels: all(re.fullmatch(_KEY, key) for key in labels),
        ),
    ] = Field(default_factory=dict)
    """Labels that an object must have, each with the value given."""
    match_expressions: Annotated[tuple[Requirement, ...], Field(max_length=64)] = ()
    """Conditions on single labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )
