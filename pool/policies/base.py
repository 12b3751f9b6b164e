"""How a policy's columns, its struct in the snapshot and its rules are kept together."""

from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Any, Generic, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from pool.fields import NumberBetween, SecondsBetween

P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True)
class PolicyGroup(Generic[P]):
    """`columns` maps each field of the struct to the column of `model` that holds it.

    `rule`: what holds in the database beside the range of each number.
    """

    struct: type[P]
    model: type[models.Model]
    columns: dict[str, str]
    rule: Q = field(default_factory=Q)

    def compile(self, row: models.Model) -> P:
        values = {field: getattr(row, name) for field, name in self.columns.items()}
        return msgspec.convert(values, self.struct)

    def restore(self, policy: P) -> dict[str, Any]:
        """The columns' values that compile to `policy`."""
        return {name: to_column(getattr(policy, field)) for field, name in self.columns.items()}

    def constraints(self, name: str) -> list[models.CheckConstraint]:
        """The last line of defence, for what goes around the models; none if there is no rule."""
        ranges = (_range(self.model._meta.get_field(column)) for column in self.columns.values())
        condition = reduce(and_, ranges, self.rule)
        if not condition:
            return []
        return [
            models.CheckConstraint(
                name=f"%(app_label)s_%(class)s_{name}",
                condition=condition,
                violation_error_message=f"A setting of {name} is out of range.",
            )
        ]


def _range(column: Any) -> Q:
    """What the validators of a number say, in the words of the database."""
    condition = Q()
    for validator in column.deconstruct()[3].get("validators", ()):
        if isinstance(validator, NumberBetween):
            condition &= Q((f"{column.name}__gte", validator.low))
            condition &= Q((f"{column.name}__lte", validator.high))
        elif isinstance(validator, MinValueValidator):
            condition &= Q((f"{column.name}__gte", validator.limit_value))
        elif isinstance(validator, MaxValueValidator):
            condition &= Q((f"{column.name}__lte", validator.limit_value))
    return condition


def columns_named(pattern: str, struct: type[msgspec.Struct]) -> dict[str, str]:
    """A column for each field of the struct; `pattern` has {} in the place of its name."""
    return {field: pattern.format(field) for field in struct.__struct_fields__}


def to_column(value: Any) -> Any:
    """A struct's value as a column holds it: as the JSON of it, where it is more than one value."""
    return list(msgspec.to_builtins(value)) if isinstance(value, tuple) else value


def number(
    default: float,
    low: float,
    high: float,
    help_text: str,
    between: type[NumberBetween] = NumberBetween,
) -> models.FloatField:
    return models.FloatField(
        default=default,
        validators=[between(low, high)],
        help_text=f"{help_text} Default: {default:g}.",
    )


def seconds(default: float, low: float, high: float, help_text: str) -> models.FloatField:
    return number(default, low, high, help_text, SecondsBetween)


def count(default: int, low: int, high: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        default=default,
        validators=[MinValueValidator(low), MaxValueValidator(high)],
        help_text=f"{help_text} Default: {default}.",
    )


def refuse_less(row: models.Model, column: str, than: str) -> None:
    """ValidationError if `column` has less seconds than `than`. Called for invalid ones, too."""
    least, most = getattr(row, than), getattr(row, column)
    if isinstance(least, float) and isinstance(most, float) and most < least:
        raise ValidationError({column: f"Give at least {than} ({least:g} s)."})
