"""How a policy's columns and its struct in the snapshot are kept together."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from pool.fields import SecondsBetween

P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True)
class PolicyGroup(Generic[P]):
    """`columns` maps each field of the struct to the column that holds it."""

    struct: type[P]
    columns: dict[str, str]

    def compile(self, row: models.Model) -> P:
        values = {field: getattr(row, name) for field, name in self.columns.items()}
        return msgspec.convert(values, self.struct)

    def restore(self, policy: P) -> dict[str, Any]:
        """The columns' values that compile to `policy`."""
        return {name: to_column(getattr(policy, field)) for field, name in self.columns.items()}


def to_column(value: Any) -> Any:
    """A struct's value as a column holds it: as the JSON of it, where it is more than one value."""
    return list(msgspec.to_builtins(value)) if isinstance(value, tuple) else value


def seconds(default: float, low: float, high: float, help_text: str) -> models.FloatField:
    return models.FloatField(
        default=default,
        validators=[SecondsBetween(low, high)],
        help_text=f"{help_text} Default: {default:g}.",
    )


def choices_of(enumeration: type[StrEnum]) -> list[tuple[str, str]]:
    return [(item.value, item.value.replace("_", " ").capitalize()) for item in enumeration]


def count(default: int, low: int, high: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        default=default,
        validators=[MinValueValidator(low), MaxValueValidator(high)],
        help_text=f"{help_text} Default: {default}.",
    )
