"""What happened: probes and the timeline, to look at only."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from pool.admin.badges import state_badge
from pool.admin.base import ReadOnlyAdmin
from pool.admin.history import latency_text
from pool.models import Event, HealthRecord

_SPANS = {
    "5m": ("Last 5 minutes", timedelta(minutes=5)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
}


class RecentFilter(DropdownFilter):
    title = "time"
    parameter_name = "last"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, text) for key, (text, _) in _SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in _SPANS:
            return queryset
        return queryset.filter(at__gte=timezone.now() - _SPANS[self.value()][1])


class BetweenFilter(RangeDateTimeFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "exact time"


@admin.register(HealthRecord)
class HealthRecordAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "backend",
        "shown_result",
        "status",
        "shown_latency",
        "shown_state",
        "reason",
    )
    list_select_related = ("backend__pool",)
    list_filter = (
        ("backend__pool", RelatedDropdownFilter),
        ("backend", AutocompleteSelectFilter),
        ("result", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
        RecentFilter,
        ("at", BetweenFilter),
    )
    search_fields = ("reason", "backend__name", "backend__pool__name")
    search_help_text = "Words of the reason, or name of a backend or pool"
    # Counting millions of rows would take seconds.
    paginator = InfinitePaginator
    show_full_result_count = False

    @display(description="Result", ordering="result")
    def shown_result(self, record: HealthRecord) -> str:
        return state_badge(record.result, record.reason)

    @display(description="State after it", ordering="state")
    def shown_state(self, record: HealthRecord) -> str:
        return state_badge(record.state)

    @display(description="Latency", ordering="latency_ms")
    def shown_latency(self, record: HealthRecord) -> str:
        return latency_text(record)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("at", "shown_severity", "kind", "message", "pool", "backend", "actor")
    list_display_links = ("at", "message")
    list_select_related = ("pool", "backend__pool")
    list_filter = (
        ("pool", RelatedDropdownFilter),
        ("backend", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("severity", ChoicesDropdownFilter),
        RecentFilter,
        ("at", BetweenFilter),
    )
    search_fields = ("message", "actor")
    search_help_text = "Words of the message, or who caused it"
    paginator = InfinitePaginator
    show_full_result_count = False

    @display(description="Severity", ordering="severity")
    def shown_severity(self, event: Event) -> str:
        return state_badge(event.severity)
