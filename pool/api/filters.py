"""Query parameters of the lists."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django_filters import rest_framework as filters

from pool.choices import (
    AdminState,
    AlertState,
    DeliveryState,
    EventKind,
    HealthState,
    ProbeResult,
    Severity,
    algorithm_names,
)
from pool.models import Alert, AlertDelivery, Backend, Event, HealthRecord, Pool, Route


def _one_of(names: Iterable[str]) -> Any:
    """Names what there is when it refuses a name."""
    known = [str(name) for name in names]
    problem = f"“%(value)s” is not known here; give one of {', '.join(known)}."
    return filters.ChoiceFilter(
        choices=[(name, name) for name in known], error_messages={"invalid_choice": problem}
    )


def _has_a_time_in_utc(at: datetime) -> None:
    try:
        at.astimezone(UTC)
    except OverflowError as error:
        text = "In UTC this is before the year 1 or after 9999; give a time between."
        raise ValidationError(text) from error


class PoolFilter(filters.FilterSet):
    name = filters.CharFilter()
    algorithm = _one_of(algorithm_names())

    class Meta:
        model = Pool
        fields: list[str] = []


class BackendFilter(filters.FilterSet):
    admin_state = _one_of(AdminState)
    tier = filters.NumberFilter()

    class Meta:
        model = Backend
        fields: list[str] = []


class RouteFilter(filters.FilterSet):
    pool = filters.CharFilter(field_name="pool__name", label="Name of the pool")
    host = filters.CharFilter()

    class Meta:
        model = Route
        fields: list[str] = []


class _TimeFilter(filters.FilterSet):
    since = filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="gte", label="At or after", validators=[_has_a_time_in_utc]
    )
    until = filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="lt", label="Before", validators=[_has_a_time_in_utc]
    )


class EventFilter(_TimeFilter):
    kind = _one_of(EventKind)
    severity = _one_of(Severity)
    pool = filters.CharFilter(field_name="pool__name", label="Name of the pool")
    backend = filters.CharFilter(field_name="backend__name", label="Name of the backend")
    actor = filters.CharFilter()

    class Meta:
        model = Event
        fields: list[str] = []


class HealthRecordFilter(_TimeFilter):
    pool = filters.CharFilter(field_name="backend__pool__name", label="Name of the pool")
    backend = filters.CharFilter(field_name="backend__name", label="Name of the backend")
    result = _one_of(ProbeResult)
    state = _one_of(HealthState)

    class Meta:
        model = HealthRecord
        fields: list[str] = []


class AlertFilter(filters.FilterSet):
    rule = filters.CharFilter(field_name="rule__name", label="Name of the rule")
    pool = filters.CharFilter(field_name="pool__name", label="Name of the pool")
    state = _one_of(AlertState)

    class Meta:
        model = Alert
        fields: list[str] = []


class AlertDeliveryFilter(filters.FilterSet):
    channel = filters.CharFilter(field_name="channel__name", label="Name of the channel")
    alert = filters.UUIDFilter(field_name="alert__key", label="Key of the alert")
    state = _one_of(DeliveryState)

    class Meta:
        model = AlertDelivery
        fields: list[str] = []
