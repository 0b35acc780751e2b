"""The base of every part of an API object: names, strictness, rules and times.

Owns what all parts have in common. Must not know any of them.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from crds.rule import BROKEN, VALIDATIONS, Rule


class Model(BaseModel):
    """A part of an API object: camelCase outside, snake_case inside, frozen, and obeying rules."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        ignored_types=(Rule,),
        strict=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    _rules: ClassVar[tuple[Rule[Any], ...]] = ()
    """The rules between fields, a parent's first."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Gather the rules."""
        super().__pydantic_init_subclass__(**kwargs)
        cls._rules = tuple(
            value
            for parent in reversed(cls.__mro__)
            for value in vars(parent).values()
            if isinstance(value, Rule)
        )

    @model_validator(mode="after")
    def _obey(self) -> Self:
        if broken := [rule for rule in self._rules if not rule.holds(self)]:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError(BROKEN, "{message}", {"message": rule.message}),
                        loc=tuple(rule.at.split(".")) if rule.at else (),
                        input=None,
                    )
                    for rule in broken
                ],
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        result = handler(schema)
        if cls._rules:
            own = handler.resolve_ref_schema(result)
            own[VALIDATIONS] = [rule.validation() for rule in cls._rules]
        return result


def _to_the_second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(_to_the_second, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment, written to the second as Kubernetes does."""
