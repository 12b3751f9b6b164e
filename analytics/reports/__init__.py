"""What happened, read from the rollups: one module a report, and one for all queries.

A report is a function of a `Span` and a `Scope`, both parsed here from what somebody
asked for, so that REST, pages and the command line understand the same and say the same.
"""

from analytics.reports.scope import Scope, backend_names, parse_scope, pool_names, route_names
from analytics.reports.selection import Selection
from analytics.reports.span import PERIODS, BadParameter, Clock, Span, parse_span
from analytics.reports.traffic import TrafficReport, traffic_report

__all__ = [
    "PERIODS",
    "BadParameter",
    "Clock",
    "Scope",
    "Selection",
    "Span",
    "TrafficReport",
    "backend_names",
    "parse_scope",
    "parse_span",
    "pool_names",
    "route_names",
    "traffic_report",
]
