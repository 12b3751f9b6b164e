"""Which reports there are, each as REST has it."""

from dataclasses import dataclass, replace
from typing import ClassVar

from rest_framework import serializers

from analytics.api import views
from analytics.api.availability import AvailabilityReportView
from analytics.api.base import ReportView, Table
from analytics.api.requests import RequestsQuery
from analytics.reports import PERIODS, BadParameter, Clock
from analytics.requests.rows import RequestRow, row_of
from analytics.requests.search import Search

_REQUESTS = 20


class LastRequestsQuery(RequestsQuery):
    period = serializers.CharField(
        required=False,
        default="",
        help_text=f"How far back from now, in place of from and to: one of {', '.join(PERIODS)}.",
    )
    limit = serializers.IntegerField(
        required=False,
        default=_REQUESTS,
        min_value=1,
        help_text=f"How many, the newest first: {_REQUESTS} unless said.",
    )

    def search(self) -> Search:
        found, period = super().search(), self.validated_data["period"]
        if not period:
            return found
        if found.since or found.until:
            raise BadParameter("period", "Give either a period or from and to, not both.")
        return replace(found, since=Clock.read().last(period).since)


@dataclass(frozen=True)
class LastRequests:
    requests: list[RequestRow]


class RequestLog:
    """The newest requests of the log: REST gives them out in pages."""

    name = "requests"
    query_class = LastRequestsQuery
    tables: ClassVar = {"requests": Table(RequestRow, lambda report: report.requests)}

    def report(self, query: LastRequestsQuery, *, table: bool) -> LastRequests:
        found = query.search().find()[: query.validated_data["limit"]]
        return LastRequests([row_of(record, query.zone()) for record in found])


Kind = ReportView | RequestLog

_REPORTS: tuple[type[Kind], ...] = (
    views.TrafficReportView,
    views.LatencyReportView,
    views.ErrorsReportView,
    views.DistributionReportView,
    AvailabilityReportView,
    views.ComparisonReportView,
    RequestLog,
)
KINDS = {kind.name: kind for kind in _REPORTS}
