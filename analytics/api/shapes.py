"""The shape of a report, for the API's description and for its columns, from its dataclass.

So a field is named once, and what is described is what is answered.
"""

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from inspect import cleandoc
from typing import Any, Union, get_args, get_origin, get_type_hints

from rest_framework import serializers

_FIELDS: dict[Any, type[serializers.Field[Any, Any, Any, Any]]] = {
    int: serializers.IntegerField,
    float: serializers.FloatField,
    str: serializers.CharField,
    bool: serializers.BooleanField,
    datetime: serializers.DateTimeField,
}


_FIRST = ("at", "seconds", "pool", "backend")


@cache
def shape_of(report: type) -> type[serializers.Serializer[Any]]:
    """A serializer that describes `report`, a dataclass; it is named and explained as that is."""
    hints = get_type_hints(report)
    declared = {field.name: _field(hints[field.name]) for field in fields(report)}
    about = cleandoc(report.__doc__ or "")
    if about.startswith(f"{report.__name__}("):  # made up by dataclasses
        about = ""
    namespace = {**declared, "__doc__": about, "__module__": __name__}
    return type(f"{report.__name__}Serializer", (serializers.Serializer,), namespace)


def _field(hint: Any, **options: Any) -> serializers.Field[Any, Any, Any, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        [inner] = [one for one in arguments if one is not types.NoneType]
        return _field(inner, allow_null=True)
    if origin is list and is_dataclass(arguments[0]):
        return shape_of(_class(arguments[0]))(many=True, **options)
    if origin in (list, tuple):
        return serializers.ListField(child=_field(arguments[0]), **options)
    if origin is dict:
        return serializers.DictField(child=_field(arguments[1]), **options)
    if is_dataclass(hint):
        return shape_of(_class(hint))(**options)
    return _FIELDS[hint](**options)


def columns_of(row: type, prefix: str = "") -> Iterator[str]:
    """What is in a row, nested with a dot: first what it is of. Lists of parts have no column."""
    hints = get_type_hints(row)
    for field in sorted(fields(row), key=lambda field: field.name not in _FIRST):
        hint = hints[field.name]
        inner = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
        if inner is None:
            yield f"{prefix}{field.name}"
        elif get_origin(hint) is not list:
            yield from columns_of(_class(inner), f"{prefix}{field.name}.")


def _class(hint: Any) -> type:
    assert isinstance(hint, type)  # noqa: S101 - for the type checker
    return hint
