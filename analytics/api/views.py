"""The reports over REST: each parses, calls one function, and answers."""

from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_view

from analytics.api.base import ReportView, Table, described
from analytics.api.queries import TrafficQuery
from analytics.api.shapes import shape_of
from analytics.reports.traffic import (
    BackendTraffic,
    TrafficPoint,
    TrafficReport,
    traffic_report,
)


@dataclass(frozen=True)
class TrafficReports:
    """Of several periods, in the order in which they were asked for."""

    periods: list[TrafficReport]


_TRAFFIC = PolymorphicProxySerializer(
    component_name="TrafficAnswer",
    serializers=[shape_of(TrafficReport), shape_of(TrafficReports)],
    resource_type_field_name=None,
)
_TRAFFIC_TABLES = {
    "series": Table(TrafficPoint, lambda report: report.series or ()),
    "backends": Table(BackendTraffic, lambda report: report.backends),
}


@extend_schema_view(get=described(TrafficReport, TrafficQuery, _TRAFFIC_TABLES, _TRAFFIC))
class TrafficReportView(ReportView):
    """How much traffic there was: totals, each backend's part, and how it went over time."""

    name = "traffic"
    query_class = TrafficQuery
    tables = _TRAFFIC_TABLES

    def report(self, query: TrafficQuery, *, table: bool) -> TrafficReport | TrafficReports:
        scope, selection = query.scope(), query.selection(table=table)
        spans = query.spans()
        if not spans:
            return traffic_report(query.span(), scope, query.step_or_none(), selection)
        step: Any = query.step_or_none() if query.validated_data["step"] else None
        return TrafficReports([traffic_report(span, scope, step, selection) for span in spans])
