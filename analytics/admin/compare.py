"""The page that compares two times, such as before and after a revision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from analytics.reports import BadParameter, Clock, Selection, parse_scope, pool_names
from analytics.reports.compare import (
    BETTER,
    CHANGED,
    WORSE,
    Change,
    ComparisonReport,
    ShareChange,
    Side,
    comparison_report,
)
from analytics.reports.sides import DEFAULT_WINDOW, parse_sides
from pool.admin.badges import BLUE, GREEN, GREY, RED, badge
from pool.admin.base import ReadOnlyAdmin
from pool.admin.figures import Figure
from pool.admin.history import Table, local

WINDOWS = ("5m", "15m", "1h", "6h", "1d", "7d")
BACKENDS = 50  # those whose share changed most

_COLOURS = {BETTER: GREEN, WORSE: RED, CHANGED: BLUE}
_NAMES = {
    "requests_per_second": "Requests a second",
    "error_rate": "Part that failed (500 or more)",
    "p50_ms": "Median latency",
    "p95_ms": "95 % latency",
    "p99_ms": "99 % latency",
}


@dataclass(frozen=True)
class Asked:
    """What the address asks for; `problem` if that cannot be answered."""

    report: ComparisonReport | None = None
    problem: str = ""


def compare_view(screen: ReadOnlyAdmin, request: HttpRequest) -> HttpResponse:
    """For who may see `screen`."""
    asked = _ask(request.GET)
    title = "Compare two times"
    if request.GET.get("revision"):
        title = f"Before and after revision {request.GET['revision']}"
    context = {
        **screen.admin_site.each_context(request),
        "title": title,
        "content_title": title,
        "asked": request.GET,
        "problem": asked.problem,
        "pools": pool_names(),
        "windows": WINDOWS,
        "window": request.GET.get("window") or DEFAULT_WINDOW,
        **(_tell(asked.report, request.GET) if asked.report else {}),
    }
    return TemplateResponse(request, "analytics/admin/compare.html", context)


def _ask(query: Mapping[str, str]) -> Asked:
    try:
        clock = Clock.read()
        scope = parse_scope(*(query.get(name, "") for name in ("pool", "backend", "route")))
        sides = parse_sides({name: query.get(name, "") for name in _SIDES}, clock)
    except BadParameter as error:
        return Asked(problem=f"{error.name}: {error}")
    return Asked(comparison_report(sides, scope, Selection(top=BACKENDS)))


_SIDES = ("a", "b", "period", "from", "to", "revision", "window")


def _tell(report: ComparisonReport, query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "report": report,
        "figures": [_side("Before", report.before), _side("After", report.after)],
        "changes": {
            "headers": ["Figure", "Before", "After", "Change", "Judgment"],
            "rows": [_row(_NAMES[one.figure], one) for one in report.changes],
        },
        "shares": _shares(report),
        "charts": _charts(report, query),
    }


def _side(name: str, side: Side) -> Figure:
    since = local(side.since) if side.since else "the beginning"
    note = f"{since} to {local(side.until)}; {side.errors:,} failed"
    return Figure(name, f"{side.requests:,} requests", note)


def _shares(report: ComparisonReport) -> Table:
    return {
        "headers": ["Share of", "Before", "After", "Change", "Judgment"],
        "rows": [_row(f"{one.pool}/{one.backend}", one) for one in report.backends],
    }


def _row(name: str, change: Change | ShareChange) -> list[Any]:
    values = [_value(change.figure, value) for value in (change.before, change.after)]
    return [name, *values, _relative(change.relative), _judgment(change)]


def _relative(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:+.1%}" if abs(value) >= 0.0005 else "0.0%"


def _value(figure: str, value: float | None) -> str:
    if value is None:
        return "-"
    if figure.endswith("_ms"):
        return f"{value:,.1f} ms"
    return f"{value:.2%}" if figure in ("error_rate", "share") else f"{value:,.2f}"


def _judgment(change: Change) -> SafeString:
    return badge(change.judgment, _COLOURS.get(change.judgment, GREY), change.test)


def _charts(report: ComparisonReport, query: Mapping[str, str]) -> str:
    """Where both times are drawn, one after the other."""
    page = reverse("admin:analytics_trafficrollup_changelist")
    shown = {name: query[name] for name in ("pool", "backend", "route") if query.get(name)}
    starts = [side.since for side in (report.before, report.after) if side.since]
    if starts:
        shown["from"] = min(starts).isoformat()
        shown["to"] = max(report.before.until, report.after.until).isoformat()
    return f"{page}?{urlencode(shown)}"
