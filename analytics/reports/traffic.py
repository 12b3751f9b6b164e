"""How much traffic there was: totals, each backend's part, and how it went over time."""

from dataclasses import dataclass
from datetime import datetime

from analytics.aggregate import Counters
from analytics.reports import rollups
from analytics.reports.bins import AUTO, Bins
from analytics.reports.figures import Counts, Summary, answered, count, latency, ms, ratio
from analytics.reports.heading import Heading, heading
from analytics.reports.listing import list_backends
from analytics.reports.rollups import Name
from analytics.reports.scope import EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.span import Span


@dataclass(frozen=True)
class Totals(Summary):
    """`answered_by_edge`: those that reached no backend, such as 404 without a route or 503
    without a backend left. They are in no backend's row.
    """

    answered_by_edge: int


@dataclass(frozen=True)
class BackendTraffic(Summary):
    """`share`: its part of the requests (of its pool, if the report is about one) that reached
    a backend.
    """

    pool: str
    backend: str
    share: float
    in_flight_peak: int


@dataclass(frozen=True)
class TrafficPoint(Counts):
    """`seconds` of the step that are within the span. Times are None where nothing was timed."""

    at: datetime
    seconds: int
    avg_ms: float | None
    max_ms: float | None


@dataclass(frozen=True)
class TrafficReport(Heading):
    totals: Totals
    backend_count: int
    backends: list[BackendTraffic]
    series: list[TrafficPoint] | None


_TIMED = ("total",)


def traffic_report(
    span: Span,
    scope: Scope = EVERYWHERE,
    step: str | None = AUTO,
    selection: Selection = EVERYTHING,
    *,
    percentiles: bool = True,
) -> TrafficReport:
    """`step` None: without a series; `percentiles`: else without any `latency_ms`, which is
    what takes longest of a thousand backends. BadParameter for a step that is not to be had.
    """
    bins = rollups.cut_span(span, scope, step) if step else None
    segments = span.segments()
    sums = rollups.totals(segments, scope, _TIMED, histograms=percentiles)
    listing = list_backends(
        segments, scope, selection, _TIMED, histograms=percentiles, rank=answered
    )
    reached = _reached(span, scope, sums)
    return TrafficReport(
        **heading(span, bins),
        totals=_totals(sums),
        backend_count=listing.count,
        backends=[_backend(name, one, reached) for name, one in listing.sums.items()],
        series=_series(span, bins, scope) if bins else None,
    )


def _reached(span: Span, scope: Scope, sums: rollups.Totals) -> int:
    """What shares are of."""
    if scope.backend:
        sums = rollups.totals(span.segments(), scope.all_backends())
    return answered(sums.reached)


def _totals(sums: rollups.Totals) -> Totals:
    return Totals(
        **count(sums.whole),
        latency_ms=latency(sums.whole.total),
        answered_by_edge=answered(sums.by_edge),
    )


def _backend(name: Name, sums: Counters, reached: int) -> BackendTraffic:
    return BackendTraffic(
        **count(sums),
        latency_ms=latency(sums.total),
        pool=name.pool,
        backend=name.backend,
        share=ratio(answered(sums), reached),
        in_flight_peak=sums.in_flight_peak,
    )


def _series(span: Span, bins: Bins, scope: Scope) -> list[TrafficPoint]:
    return [
        TrafficPoint(
            **count(one),
            at=span.at(start),
            seconds=end - start,
            avg_ms=ms(one.total.sum / one.requests) if one.requests else None,
            max_ms=ms(one.total.max) if one.total.max else None,
        )
        for (start, end), one in zip(bins.parts(), rollups.series(bins, scope, _TIMED), strict=True)
    ]
