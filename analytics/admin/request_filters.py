"""What the list of requests can be narrowed down to."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from analytics.reports import pool_names
from proxy.errors import Cause

_WRONG, _FINE = "yes", "no"


class WrongFilter(DropdownFilter):
    title = "outcome"
    parameter_name = "wrong"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(_WRONG, "Something went wrong"), (_FINE, "Nothing went wrong")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in (_WRONG, _FINE):
            return queryset
        return queryset.filter(notable=self.value() == _WRONG)


class StatusFilter(DropdownFilter):
    title = "status"
    parameter_name = "class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(family), f"{family}xx") for family in range(1, 6)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value not in tuple("12345"):
            return queryset
        lowest = 100 * int(value)
        return queryset.filter(status__range=(lowest, lowest + 99))


class CauseFilter(DropdownFilter):
    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(cause.value, cause.value.replace("_", " ")) for cause in Cause]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(cause=self.value()) if self.value() else queryset


class PoolFilter(DropdownFilter):
    """By name, as a pool that is gone is no less in the list."""

    title = "pool"
    parameter_name = "pool"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in pool_names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pool=self.value()) if self.value() else queryset


class SlowerFilter(TextFilter):
    title = "milliseconds or more"
    parameter_name = "min_ms"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        return queryset.filter(total__gte=int(value) * 1000) if value.isdecimal() else queryset
