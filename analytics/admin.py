"""The traffic report as a page of the admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from analytics.models import TrafficRollup
from analytics.reports import PERIODS, BackendTraffic, TrafficReport, traffic
from pool.admin.base import ReadOnlyAdmin
from pool.admin.figures import Figure

DEFAULT_PERIOD = "5m"
_SPANS = {
    "5m": "last 5 minutes",
    "30m": "last 30 minutes",
    "1h": "last hour",
    "6h": "last 6 hours",
    "24h": "last 24 hours",
    "all": "ever",
}
HEADERS = ["Backend", "Share", "Requests", "Errors", "Average", "Median", "95 %", "99 %", "Slowest"]


@admin.register(TrafficRollup)
class TrafficAdmin(ReadOnlyAdmin):
    """Shows reports in the place of rollups, which are of no use one by one."""

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        period = request.GET.get("period", DEFAULT_PERIOD)
        report = traffic(period if period in PERIODS else DEFAULT_PERIOD, timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": "Traffic",
            "content_title": "Traffic",
            "periods": list(PERIODS),
            "report": report,
            "figures": traffic_figures(report),
            "table": traffic_table(report),
        }
        return TemplateResponse(request, "analytics/admin/traffic.html", context)


def traffic_table(report: TrafficReport) -> dict[str, list[Any]]:
    return {"headers": HEADERS, "rows": [_row(backend) for backend in report.backends]}


def traffic_figures(report: TrafficReport) -> list[Figure]:
    totals, latency = report.totals, report.totals.latency_ms
    return [
        requests_figure(report),
        Figure("Errors", f"{totals.errors:,}", "answers with a status of 500 or more"),
        Figure(
            "Median latency",
            f"{latency.p50:,.1f} ms" if latency else "-",
            f"99 % within {latency.p99:,.1f} ms" if latency else "",
        ),
        Figure("Given up", f"{totals.client_aborts:,}", "by the client, before its answer"),
    ]


def requests_figure(report: TrafficReport, href: str = "") -> Figure:
    totals = report.totals
    note = f"{totals.errors / totals.requests:.2%} errors" if totals.requests else "no traffic"
    if totals.answered_by_edge:
        note += f"; {totals.answered_by_edge:,} reached no backend"
    name = f"Requests, {_SPANS.get(report.period, report.period)}"
    return Figure(name, f"{totals.requests:,}", note, href)


def _row(backend: BackendTraffic) -> list[Any]:
    latency = backend.latency_ms
    times = (
        [latency.avg, latency.p50, latency.p95, latency.p99, latency.max] if latency else [None] * 5
    )
    return [
        f"{backend.pool}/{backend.backend}",
        f"{backend.share:.1%}",
        f"{backend.requests:,}",
        f"{backend.errors:,}",
        *("-" if time is None else f"{time:,.1f} ms" for time in times),
    ]
