"""Traffic as one number: a card on the admin's front page."""

from analytics.reports import TrafficReport
from pool.admin.figures import Figure

_SPANS = {
    "5m": "last 5 minutes",
    "30m": "last 30 minutes",
    "1h": "last hour",
    "6h": "last 6 hours",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "30d": "last 30 days",
    "all": "ever",
}


def requests_figure(report: TrafficReport, href: str = "") -> Figure:
    totals = report.totals
    note = f"{totals.errors / totals.requests:.2%} errors" if totals.requests else "no traffic"
    if totals.answered_by_edge:
        note += f"; {totals.answered_by_edge:,} reached no backend"
    name = f"Requests, {_SPANS.get(report.period, report.period)}"
    return Figure(name, f"{totals.requests:,}", note, href)
