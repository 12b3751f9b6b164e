"""The traffic report as a page of the admin."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from analytics.admin.compare import compare_view
from analytics.finders import PLOTLY
from analytics.models import TrafficRollup
from analytics.reports import PERIODS, backend_names, pool_names, route_names
from analytics.reports.span import DEFAULT_PERIOD
from pool.admin.base import ReadOnlyAdmin

# Of which time the percentiles and the heat map are.
KINDS = (
    ("", "Of the whole request"),
    ("first_byte", "Until the backend answers"),
    ("connect", "To connect to the backend"),
    ("queue", "In the queue for a backend"),
)


@dataclass(frozen=True)
class Panel:
    """A chart with the table under it. `key` is its script's name for it."""

    key: str
    title: str
    about: str
    timed: bool = True  # its axis is time, with the marks above it
    drawn: bool = True  # or tables alone


PANELS = (
    Panel("traffic", "Requests", "Answers a second, by the class of their status."),
    Panel("latency", "Latency", "What part of the requests took no longer."),
    Panel("heatmap", "All latencies", "How many requests took how long: the stronger, the more."),
    Panel("errors", "What went wrong", "Tries that failed and requests refused, by cause."),
    Panel("availability", "Availability", "Green: up; orange: down for a part; red: for most."),
    Panel("share", "Shares", "Of its pool's requests: planned, and got.", timed=False),
    Panel("paths", "Where it went wrong", "The newest of the errors.", timed=False, drawn=False),
)


@admin.register(TrafficRollup)
class TrafficAdmin(ReadOnlyAdmin):
    """Shows reports in the place of rollups, which are of no use one by one.

    The page is a frame: its scripts fetch over REST what the address bar asks for.
    """

    def get_urls(self) -> list[URLPattern]:
        compare = path(
            "compare/", self.admin_site.admin_view(self.compare_view), name="analytics_compare"
        )
        return [compare, *super().get_urls()]

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return compare_view(self, request)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        pool = request.GET.get("pool", "")
        context = {
            **self.admin_site.each_context(request),
            "title": "Traffic",
            "content_title": "Traffic",
            "panels": PANELS,
            "plotly": PLOTLY,
            "periods": list(PERIODS),
            "selectors": {
                "pool": pool_names(),
                "backend": backend_names(pool) if pool else [],
                "route": _routes(),
                "kind": KINDS,
            },
            "settings": _settings(),
        }
        return TemplateResponse(request, "analytics/admin/traffic.html", context)


def _routes() -> list[tuple[int, str]]:
    return [
        (number, name or (f"Route {number}, deleted" if number else "No route matched"))
        for number, name in route_names().items()
    ]


def _settings() -> dict[str, Any]:
    """What the scripts cannot know: where things are, and what is shown at first."""
    return {
        "default_period": DEFAULT_PERIOD,
        "urls": {
            "reports": reverse("report-traffic").removesuffix("traffic/"),
            "events": reverse("event-list"),
            "revisions": reverse("revision-list"),
            "requests_page": reverse("admin:analytics_requestrecord_changelist"),
            "revision_page": reverse("admin:pool_revision_numbered", args=[0]).removesuffix("0/"),
            "compare_page": reverse("admin:analytics_compare"),
            "event_page": reverse("admin:pool_event_changelist"),
        },
    }
