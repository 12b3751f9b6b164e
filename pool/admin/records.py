"""What happened: probes and the timeline, to look at only."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    FieldTextFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.utils import parse_datetime_str

from pool.admin.badges import state_badge
from pool.admin.base import ReadOnlyAdmin
from pool.admin.history import latency_text, reason_text
from pool.admin.why import event_link
from pool.history.causes import causes_of, effects_of
from pool.models import Event, HealthRecord, Revision

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

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is typed is in the zone of the page: unfold's own takes it for the server's."""
        bounds = {"gte": self._typed("from"), "lte": self._typed("to")}
        given = {f"{self.field_path}__{name}": at for name, at in bounds.items() if at is not None}
        return queryset.filter(**given)

    def _typed(self, end: str) -> datetime | None:
        """None for what is no time."""
        names = (f"{self.parameter_name}_{end}_{part}" for part in (0, 1))
        at = parse_datetime_str(" ".join(self.used_parameters.get(name) or "" for name in names))
        return _instant(at) if at is not None else None


def _instant(at: datetime) -> datetime:
    """`at` of the page's zone in UTC, which has no times before the year 1 or after 9999."""
    try:
        return timezone.make_aware(at).astimezone(UTC)
    except OverflowError:
        nearest = datetime.min if at.year == datetime.min.year else datetime.max
        return nearest.replace(tzinfo=UTC)


@admin.register(HealthRecord)
class HealthRecordAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "backend",
        "shown_result",
        "status",
        "shown_latency",
        "shown_state",
        "shown_reason",
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

    @display(description="Reason", ordering="reason")
    def shown_reason(self, record: HealthRecord) -> str:
        return reason_text(record)


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
        ("actor", FieldTextFilter),
        RecentFilter,
        ("at", BetweenFilter),
    )
    readonly_fields = ("because_of", "led_to", "revision")
    search_fields = ("message", "actor")
    search_help_text = "Words of the message, or who caused it"
    paginator = InfinitePaginator
    show_full_result_count = False

    @display(description="Severity", ordering="severity")
    def shown_severity(self, event: Event) -> str:
        return state_badge(event.severity)

    @display(description="Because of")
    def because_of(self, event: Event) -> str:
        cause = causes_of([event]).get(event.pk)
        return event_link(cause, cause.message) if cause else "-"

    @display(description="Led to")
    def led_to(self, event: Event) -> str:
        links = ((event_link(effect, effect.message),) for effect in effects_of(event))
        return format_html_join(mark_safe("<br>"), "{}", links) or "-"

    @display(description="Revision")
    def revision(self, event: Event) -> str:
        number = event.data.get("revision")
        revision = Revision.objects.filter(number=number).first() if number else None
        if revision is None:
            return "-"
        link = reverse("admin:pool_revision_change", args=[revision.pk])
        return format_html('<a href="{}" class="text-link">Revision {}</a>', link, number)
