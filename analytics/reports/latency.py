"""How long requests took, and where the time went.

Of four kinds, in milliseconds: `total` from a request's first byte to its answer's last;
`first_byte` from where it was sent to a backend to the head of the answer; `connect` of
new connections only; `queue` of requests that waited for a free place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from analytics.aggregate import KINDS, Counters, Times
from analytics.reports import rollups
from analytics.reports.bins import AUTO, Bins
from analytics.reports.figures import Latency, answered, latency
from analytics.reports.heading import Heading, heading
from analytics.reports.heat import HeatMap, draw
from analytics.reports.listing import list_backends
from analytics.reports.rollups import Histogram, Name
from analytics.reports.scope import Scope
from analytics.reports.selection import Selection
from analytics.reports.span import Span

DEFAULT_KIND = "total"
_COST = 15  # of merging a histogram, in rows that the database adds up


@dataclass(frozen=True)
class TimesOfKinds:
    """Null where nothing was timed."""

    requests: int
    total: Latency | None
    first_byte: Latency | None
    connect: Latency | None
    queue: Latency | None


@dataclass(frozen=True)
class BackendLatency(TimesOfKinds):
    pool: str
    backend: str


@dataclass(frozen=True)
class LatencyPoint:
    """`seconds` of the step that are within the span."""

    at: datetime
    seconds: int
    requests: int
    latency_ms: Latency | None


@dataclass(frozen=True)
class LatencyReport(Heading):
    """`kind` is that of the series and the heat map; `totals` have what the edge answered too."""

    kind: str
    totals: TimesOfKinds
    backend_count: int
    backends: list[BackendLatency]
    series: list[LatencyPoint] | None
    heat_map: HeatMap | None


_Histograms = Mapping[str, Histogram]


def latency_report(
    span: Span,
    scope: Scope = Scope(),  # noqa: B008 - immutable, as is the selection
    step: str | None = AUTO,
    selection: Selection = Selection(),  # noqa: B008
    kind: str = DEFAULT_KIND,
) -> LatencyReport:
    """`step` None: without a series. BadParameter for a step that is not to be had."""
    bins = rollups.cut_span(span, scope, step, _COST) if step else None
    listing = list_backends(span.segments(), scope, selection, KINDS)
    counts = rollups.histograms(span.segments(), listing.backends, KINDS)
    backends = [_backend(name, sums, counts.get(name, {})) for name, sums in listing.sums.items()]
    parts = rollups.histogram_series(bins, scope, kind) if bins else []
    return LatencyReport(
        **heading(span, bins),
        kind=kind,
        totals=_totals(span, scope),
        backend_count=listing.count,
        backends=selection.best(backends, lambda one: one.total.p99 if one.total else 0),
        series=_series(span, bins, scope, kind, parts) if bins else None,
        heat_map=draw([span.at(edge) for edge in bins.edges], parts) if bins else None,
    )


def _totals(span: Span, scope: Scope) -> TimesOfKinds:
    total = rollups.totals(span.segments(), scope, KINDS).whole
    counts = rollups.histogram(span.segments(), scope, KINDS)
    return TimesOfKinds(requests=answered(total), **_times(total, counts))


def _backend(name: Name, sums: Counters, counts: _Histograms) -> BackendLatency:
    times = _times(sums, counts)
    return BackendLatency(requests=answered(sums), pool=name.pool, backend=name.backend, **times)


def _times(sums: Counters, counts: _Histograms) -> dict[str, Latency | None]:
    return {kind: latency(_of_kind(sums, kind), counts.get(kind, {})) for kind in KINDS}


def _of_kind(sums: Counters, kind: str) -> Times:
    times: Times = getattr(sums, kind)
    return times


def _series(
    span: Span, bins: Bins, scope: Scope, kind: str, parts: list[Histogram]
) -> list[LatencyPoint]:
    sums = rollups.series(bins, scope, (kind,))
    return [
        LatencyPoint(
            at=span.at(start),
            seconds=end - start,
            requests=answered(one),
            latency_ms=latency(_of_kind(one, kind), counts),
        )
        for (start, end), one, counts in zip(bins.parts(), sums, parts, strict=True)
    ]
