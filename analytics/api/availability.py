"""The availability report over REST."""

import math
from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers

from analytics.api.base import ReportView, Table, described
from analytics.api.queries import RowsQuery
from analytics.reports.availability import (
    TARGET,
    AvailabilityReport,
    BackendAvailability,
    PoolAvailability,
    availability_report,
)


class AvailabilityQuery(RowsQuery):
    target = serializers.FloatField(
        required=False,
        default=TARGET,
        help_text=f"Percent that is aimed at, of the time and of the requests; {TARGET} unless "
        "said. More than 0 and less than 100: a target of 100 leaves no budget.",
    )

    def validate_target(self, value: float) -> float:
        if not (math.isfinite(value) and 0 < value < 100):
            raise serializers.ValidationError(
                "Give a percentage above 0 and below 100, such as 99.9."
            )
        return value


_TABLES = {
    "backends": Table(BackendAvailability, lambda report: report.backends),
    "pools": Table(PoolAvailability, lambda report: report.pools),
}


@extend_schema_view(get=described(AvailabilityReport, AvailabilityQuery, _TABLES))
class AvailabilityReportView(ReportView):
    """How much of the time backends and pools could serve: outages, repairs, and what is left of
    the error budget under a target. `route` narrows down the requests alone; `top` takes those
    that were down for longest.
    """

    name = "availability"
    query_class = AvailabilityQuery
    tables = _TABLES

    def report(self, query: AvailabilityQuery, *, table: bool) -> AvailabilityReport:
        asked: dict[str, Any] = query.validated_data
        clock = query.clock()
        return availability_report(
            query.span(), clock.now, query.scope(), asked["target"], query.selection(table=table)
        )
