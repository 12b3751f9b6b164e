"""How long requests took, and where the time went.

Of four kinds, in milliseconds: `total` from a request's first byte to its answer's last;
`first_byte` from where it was sent to a backend to the head of the answer; `connect` of
new connections only; `queue` of requests that waited for a free place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.aggregate import KINDS, Counters, Times
from analytics.histograms import counts_of
from analytics.reports import rollups
from analytics.reports.bins import AUTO, Bins
from analytics.reports.figures import Latency, answered, latency
from analytics.reports.heading import Heading, heading
from analytics.reports.heat import HeatMap, draw
from analytics.reports.listing import list_backends
from analytics.reports.rollups import Name
from analytics.reports.scope import EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.span import Span

DEFAULT_KIND = "total"
_COST = 3  # of a row with its histogram, in rows that are added up without


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


def latency_report(
    span: Span,
    scope: Scope = EVERYWHERE,
    step: str | None = AUTO,
    selection: Selection = EVERYTHING,
    kind: str = DEFAULT_KIND,
) -> LatencyReport:
    """`step` None: without a series. BadParameter for a step that is not to be had."""
    bins = rollups.cut_span(span, scope, step, _COST) if step else None
    segments = span.segments()
    listing = list_backends(segments, scope, selection, KINDS, histograms=True)
    backends = [_backend(name, sums) for name, sums in listing.sums.items()]
    parts = rollups.series(bins, scope, (kind,), histograms=True) if bins else []
    times: list[Times] = [getattr(one, kind) for one in parts]
    return LatencyReport(
        **heading(span, bins),
        kind=kind,
        totals=_totals(rollups.totals(segments, scope, KINDS, histograms=True).whole),
        backend_count=listing.count,
        backends=selection.best(backends, lambda one: one.total.p99 if one.total else 0),
        series=_series(span, bins, parts, times) if bins else None,
        heat_map=_heat_map(span, bins, times) if bins else None,
    )


def _totals(sums: Counters) -> TimesOfKinds:
    return TimesOfKinds(requests=answered(sums), **_times(sums))


def _backend(name: Name, sums: Counters) -> BackendLatency:
    times = _times(sums)
    return BackendLatency(requests=answered(sums), pool=name.pool, backend=name.backend, **times)


def _times(sums: Counters) -> dict[str, Latency | None]:
    return {kind: latency(getattr(sums, kind)) for kind in KINDS}


def _series(
    span: Span, bins: Bins, parts: Sequence[Counters], times: Sequence[Times]
) -> list[LatencyPoint]:
    return [
        LatencyPoint(
            at=span.at(start), seconds=end - start, requests=answered(sums), latency_ms=latency(own)
        )
        for (start, end), sums, own in zip(bins.parts(), parts, times, strict=True)
    ]


def _heat_map(span: Span, bins: Bins, times: Sequence[Times]) -> HeatMap:
    columns = [span.at(edge) for edge in bins.edges]
    return draw(columns, [counts_of(own.histogram) for own in times])
