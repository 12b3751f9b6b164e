"""The reports over REST: each parses, calls one function, and answers."""

from dataclasses import dataclass
from functools import partial

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_view

from analytics.api.base import ReportView, Table, described
from analytics.api.queries import CompareQuery, LatencyQuery, RowsQuery, SeriesQuery, TrafficQuery
from analytics.api.shapes import shape_of
from analytics.reports.compare import (
    Change,
    ComparisonReport,
    ShareChange,
    comparison_report,
)
from analytics.reports.distribution import (
    BackendShare,
    DistributionReport,
    distribution_report,
)
from analytics.reports.errors import BackendErrors, ErrorPoint, ErrorsReport, errors_report
from analytics.reports.heat import HeatCell, cells
from analytics.reports.latency import (
    DEFAULT_KIND,
    BackendLatency,
    LatencyPoint,
    LatencyReport,
    latency_report,
)
from analytics.reports.traffic import (
    BackendTraffic,
    TrafficPoint,
    TrafficReport,
    traffic_report,
)
from analytics.requests.paths import PathErrors


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
        asked, selection = query.validated_data, query.selection(table=table)
        report = partial(
            traffic_report,
            scope=query.scope(),
            selection=selection,
            percentiles=asked["percentiles"],
        )
        spans = query.spans()
        if not spans:
            return report(query.span(), step=query.step_or_none())
        step = query.step_or_none() if asked["step"] else None
        return TrafficReports([report(span, step=step) for span in spans])


_LATENCY_TABLES = {
    "backends": Table(BackendLatency, lambda report: report.backends),
    "series": Table(LatencyPoint, lambda report: report.series or ()),
    "heat_map": Table(HeatCell, lambda report: cells(report.heat_map) if report.heat_map else ()),
}


@extend_schema_view(get=described(LatencyReport, LatencyQuery, _LATENCY_TABLES))
class LatencyReportView(ReportView):
    """How long requests took: percentiles of each backend and over time, and a heat map."""

    name = "latency"
    query_class = LatencyQuery
    tables = _LATENCY_TABLES

    def report(self, query: LatencyQuery, *, table: bool) -> LatencyReport:
        kind = query.validated_data["kind"] or DEFAULT_KIND
        scope, selection = query.scope(), query.selection(table=table)
        return latency_report(query.span(), scope, query.step_or_none(), selection, kind)


_ERRORS_TABLES = {
    "series": Table(ErrorPoint, lambda report: report.series or ()),
    "backends": Table(BackendErrors, lambda report: report.backends),
    "paths": Table(PathErrors, lambda report: report.top_paths.paths),
}


@extend_schema_view(get=described(ErrorsReport, SeriesQuery, _ERRORS_TABLES))
class ErrorsReportView(ReportView):
    """What went wrong, by class of status and by cause: of each backend and over time."""

    name = "errors"
    query_class = SeriesQuery
    tables = _ERRORS_TABLES

    def report(self, query: SeriesQuery, *, table: bool) -> ErrorsReport:
        selection = query.selection(table=table)
        return errors_report(query.span(), query.scope(), query.step_or_none(), selection)


_COMPARE_TABLES = {
    "changes": Table(Change, lambda report: report.changes),
    "backends": Table(ShareChange, lambda report: report.backends),
}


@extend_schema_view(get=described(ComparisonReport, CompareQuery, _COMPARE_TABLES))
class ComparisonReportView(ReportView):
    """Two times, or before and after a revision: what changed, and whether by more than chance."""

    name = "compare"
    query_class = CompareQuery
    tables = _COMPARE_TABLES

    def report(self, query: CompareQuery, *, table: bool) -> ComparisonReport:
        return comparison_report(query.sides(), query.scope(), query.selection(table=table))


_DISTRIBUTION_TABLES = {"backends": Table(BackendShare, lambda report: report.backends)}


@extend_schema_view(get=described(DistributionReport, RowsQuery, _DISTRIBUTION_TABLES))
class DistributionReportView(ReportView):
    """Each backend's share of its pool, beside what its weight plans, and why they differ."""

    name = "distribution"
    query_class = RowsQuery
    tables = _DISTRIBUTION_TABLES

    def report(self, query: RowsQuery, *, table: bool) -> DistributionReport:
        selection = query.selection(table=table)
        return distribution_report(query.span(), query.scope(), selection)
