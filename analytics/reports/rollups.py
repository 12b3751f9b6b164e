"""What the reports read: the only queries to the rollups.

The database adds up what it can. Histograms it cannot: they are read, one for each
series and bucket, only by those who tell percentiles.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models import Max, Min, Q, QuerySet, Sum
from django.db.models.functions import NullIf

from analytics.aggregate import KINDS, SUMMED, Counters, Times, unpack_histogram
from analytics.levels import DAY, Segment
from analytics.models import TrafficRollup, TrafficSeries
from analytics.reports.bins import Bins, cut
from analytics.reports.scope import Scope
from analytics.reports.span import Span


class Name(NamedTuple):
    """Series of all routes, and of all backends that ever had the name, are one."""

    pool: str
    backend: str


Histogram = dict[int, int]

_SUMS = (*SUMMED, *(f"{kind}_sum" for kind in KINDS))
_MINIMA = tuple(f"{kind}_min" for kind in KINDS)
_MAXIMA = ("in_flight_peak", *(f"{kind}_max" for kind in KINDS))
_COLUMNS = (*_SUMS, *_MINIMA, *_MAXIMA)
_AGGREGATES = {
    **{f"of_{name}": Sum(name) for name in _SUMS},
    **{f"of_{name}": Min(NullIf(name, 0)) for name in _MINIMA},  # 0: not known
    **{f"of_{name}": Max(name) for name in _MAXIMA},
}


def cut_span(span: Span, scope: Scope, step: str) -> Bins:
    """The parts of `span`; those of everything begin where there is something."""
    series = TrafficSeries.objects.filter(scope.of_series()).count()
    return cut(span, step, series, None if span.start else _first_bucket(scope))


def _first_bucket(scope: Scope) -> int | None:
    """The day in which the first of it was counted, in Unix seconds."""
    rows = TrafficRollup.objects.filter(scope.of_series("series__"), step=DAY)
    first = rows.aggregate(first=Min("at"))["first"]
    return int(first.timestamp()) if first else None


def totals(segments: Sequence[Segment], scope: Scope) -> dict[Name, Counters]:
    """The sums of each backend, without histograms."""
    rows = _rows(segments, scope).values("series_id").annotate(**_AGGREGATES)
    names = _names(scope)
    found: dict[Name, Counters] = defaultdict(Counters)
    for number, *values in rows.values_list("series_id", *_AGGREGATES):
        found[names[number]].add(_counters(values))
    return dict(found)


def add_up(counters: Iterable[Counters]) -> Counters:
    total = Counters()
    for one in counters:
        total.add(one)
    return total


def series(bins: Bins, scope: Scope) -> list[Counters]:
    """The sums of each part, without histograms."""
    parts = [Counters() for _ in bins.edges]
    rows = _rows(bins.segments(), scope).values("at").annotate(**_AGGREGATES)
    for at, *values in rows.values_list("at", *_AGGREGATES):
        parts[bins.index(_seconds(at))].add(_counters(values))
    return parts


def requests_of_pools(bins: Bins, scope: Scope) -> dict[str, list[int]]:
    """How many requests reached a backend of each pool in each part."""
    found: dict[str, list[int]] = defaultdict(lambda: [0] * len(bins.edges))
    rows = _rows(bins.segments(), scope).exclude(series__backend_id=0)
    sums = rows.values("series__pool", "at").annotate(reached=Sum("requests"))
    for pool, at, requests in sums.values_list("series__pool", "at", "reached"):
        found[pool][bins.index(_seconds(at))] += requests
    return dict(found)


def histograms(
    segments: Sequence[Segment], scope: Scope, kinds: Sequence[str]
) -> dict[Name, dict[str, Histogram]]:
    """The times of some of `KINDS` of each backend that has any."""
    names = _names(scope)
    merged: dict[Name, dict[str, Histogram]] = {}
    for number, *packed in _packed(segments, scope, "series_id", kinds):
        own = merged.get(names[number])
        if own is None:
            own = merged[names[number]] = {kind: {} for kind in kinds}
        for histogram, data in zip(own.values(), packed, strict=True):
            if data:
                _merge(histogram, data)
    return merged


def histogram_series(bins: Bins, scope: Scope, kind: str) -> list[Histogram]:
    """The times of one of `KINDS` in each part."""
    parts: list[Histogram] = [{} for _ in bins.edges]
    indices: dict[datetime, int] = {}
    for at, packed in _packed(bins.segments(), scope, "at", [kind]):
        index = indices.get(at)
        if index is None:
            index = indices[at] = bins.index(_seconds(at))
        if packed:
            _merge(parts[index], packed)
    return parts


def _packed(
    segments: Sequence[Segment], scope: Scope, by: str, kinds: Sequence[str]
) -> Iterable[tuple[Any, ...]]:
    columns = [f"{kind}_histogram" for kind in kinds]
    return _rows(segments, scope).values_list(by, *columns).iterator(10_000)


def _merge(into: Histogram, packed: bytes) -> None:
    for index, count in unpack_histogram(packed).items():
        into[index] = into.get(index, 0) + count


def _rows(segments: Sequence[Segment], scope: Scope) -> QuerySet[TrafficRollup]:
    within = Q(pk__in=())
    for segment in segments:
        within |= _within(segment)
    return TrafficRollup.objects.filter(within, scope.of_series("series__")).order_by()


def _within(segment: Segment) -> Q:
    found = Q(step=segment.step, at__gte=datetime.fromtimestamp(segment.start, UTC))
    if segment.end is not None:
        found &= Q(at__lt=datetime.fromtimestamp(segment.end, UTC))
    return found


def _names(scope: Scope) -> dict[int, Name]:
    rows = TrafficSeries.objects.filter(scope.of_series())
    return {
        number: Name(pool, backend)
        for number, pool, backend in rows.values_list("pk", "pool", "backend")
    }


def _counters(values: Sequence[Any]) -> Counters:
    """Of `_AGGREGATES`. A minimum that nobody knows is NULL."""
    found = {name: value or 0 for name, value in zip(_COLUMNS, values, strict=True)}
    fields: dict[str, Any] = {name: found[name] for name in (*SUMMED, "in_flight_peak")}
    for kind in KINDS:
        fields[kind] = Times(found[f"{kind}_sum"], found[f"{kind}_min"], found[f"{kind}_max"])
    return Counters(**fields)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
