"""Single requests, to look at only."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from analytics.admin.request_filters import (
    CauseFilter,
    PoolFilter,
    SlowerFilter,
    StatusFilter,
    WrongFilter,
)
from analytics.requests.anatomy import parts_of
from analytics.requests.models import RequestRecord
from pool.admin.badges import BLUE, GREEN, ORANGE, RED, badge
from pool.admin.base import ReadOnlyAdmin
from pool.admin.records import BetweenFilter, RecentFilter
from pool.models import Backend, Pool, Revision, Route

_COLOURS = {1: BLUE, 2: GREEN, 3: BLUE, 4: ORANGE}  # of a status's class; RED for the others


@admin.register(RequestRecord)
class RequestAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "shown_status",
        "what",
        "pool",
        "backend",
        "client",
        "took",
        "attempts",
        "why",
    )
    list_display_links = ("at", "what")
    list_filter = (
        WrongFilter,
        StatusFilter,
        CauseFilter,
        PoolFilter,
        ("backend", FieldTextFilter),
        ("host", FieldTextFilter),
        ("path", FieldTextFilter),
        ("client", FieldTextFilter),
        SlowerFilter,
        RecentFilter,
        ("at", BetweenFilter),
    )
    search_fields = ("request_id",)
    search_help_text = "The whole of an X-Request-Id"
    paginator = InfinitePaginator
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("what", ("at", "client"), ("shown_status", "why"), "request_id")}),
        (
            "Where it went",
            {"fields": (("pool_link", "backend_link"), ("route_link", "revision"))},
        ),
        ("How much", {"fields": (("attempts", "bytes_in", "bytes_out"),)}),
    )
    readonly_fields = (
        *("shown_status", "what", "why"),
        *("pool_link", "backend_link", "route_link", "revision"),
    )
    change_form_outer_before_template = "analytics/admin/anatomy.html"

    class Media:
        css = {"all": ("analytics/requests.css",)}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RequestRecord], search_term: str
    ) -> tuple[QuerySet[RequestRecord], bool]:
        """By the index: Django's own would look into the middle of each one."""
        term = search_term.strip()
        return (queryset.filter(request_id=term) if term else queryset), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        record = kwargs["obj"]
        context |= {"parts": parts_of(record), "total_ms": record.total / 1000}
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Status", ordering="status")
    def shown_status(self, record: RequestRecord) -> str:
        return badge(str(record.status), _COLOURS.get(record.status // 100, RED))

    @display(description="Request")
    def what(self, record: RequestRecord) -> str:
        return str(record) if record.method else "a head that could not be read"

    @display(description="Took", ordering="total")
    def took(self, record: RequestRecord) -> str:
        return f"{record.total / 1000:,.1f} ms"

    @display(description="Why it ended", ordering="cause")
    def why(self, record: RequestRecord) -> str:
        return record.cause.replace("_", " ")

    @display(description="Pool")
    def pool_link(self, record: RequestRecord) -> str:
        return _link(Pool.objects.filter(pk=record.pool_id).first(), record.pool)

    @display(description="Backend")
    def backend_link(self, record: RequestRecord) -> str:
        return _link(Backend.objects.filter(pk=record.backend_id).first(), record.backend)

    @display(description="Route")
    def route_link(self, record: RequestRecord) -> str:
        route = Route.objects.filter(pk=record.route_id).first()
        gone = f"route {record.route_id}, which is gone" if record.route_id else ""
        return _link(route, str(route) if route else gone)

    @display(description="Configuration")
    def revision(self, record: RequestRecord) -> str:
        revision = Revision.objects.filter(number=record.snapshot).first()
        return _link(revision, f"Revision {record.snapshot}" if record.snapshot else "")


def _link(row: Model | None, text: str) -> str:
    if row is None:
        return text or "-"
    page = reverse(f"admin:pool_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}" class="text-link">{}</a>', page, text)
