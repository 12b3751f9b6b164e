"""What the reports read: the only queries to the rollups.

The database adds up what it can. Histograms it cannot: they are read, one for each
series and bucket, only by those who tell percentiles.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from django.db.models import Aggregate, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import NullIf

from analytics.aggregate import SUMMED, Counters, Times, unpack_histogram
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
Kinds = tuple[str, ...]  # some of `KINDS`
_Rows = QuerySet[TrafficRollup, TrafficRollup]


@cache
def _columns(kinds: Kinds) -> dict[str, Aggregate]:
    """What is added up, by the rollups' columns; of the times only those of `kinds`."""
    return {
        **{name: Sum(name) for name in SUMMED},
        "in_flight_peak": Max("in_flight_peak"),
        **{f"{kind}_sum": Sum(f"{kind}_sum") for kind in kinds},
        **{f"{kind}_min": Min(NullIf(f"{kind}_min", 0)) for kind in kinds},  # 0: not known
        **{f"{kind}_max": Max(f"{kind}_max") for kind in kinds},
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


def totals(segments: Sequence[Segment], scope: Scope, kinds: Kinds = ()) -> dict[Name, Counters]:
    """The sums of each backend, without histograms, and of the times only those of `kinds`."""
    names = _names(scope)
    found: dict[Name, Counters] = defaultdict(Counters)
    for number, counters in _sums(_rows(segments, scope, names), "series_id", kinds):
        found[names[number]].add(counters)
    return dict(found)


def add_up(counters: Iterable[Counters]) -> Counters:
    total = Counters()
    for one in counters:
        total.add(one)
    return total


def series(bins: Bins, scope: Scope, kinds: Kinds = ()) -> list[Counters]:
    """The same of each part."""
    parts = [Counters() for _ in bins.edges]
    for at, counters in _sums(_rows(bins.segments(), scope, _names(scope)), "at", kinds):
        parts[bins.index(_seconds(at))].add(counters)
    return parts


def requests_of_pools(bins: Bins, scope: Scope) -> dict[str, list[int]]:
    """How many requests reached a backend of each pool in each part."""
    found: dict[str, list[int]] = defaultdict(lambda: [0] * len(bins.edges))
    rows = _rows(bins.segments(), scope, _names(scope)).exclude(series__backend_id=0)
    sums = rows.values("series__pool", "at").annotate(reached=Sum("requests"))
    for pool, at, requests in sums.values_list("series__pool", "at", "reached"):
        found[pool][bins.index(_seconds(at))] += requests
    return dict(found)


def histograms(
    segments: Sequence[Segment], scope: Scope, kinds: Kinds
) -> dict[Name, dict[str, Histogram]]:
    """The times of some of `KINDS` of each backend that has any."""
    names = _names(scope)
    merged: dict[Name, dict[str, Histogram]] = {}
    for number, *packed in _packed(_rows(segments, scope, names), "series_id", kinds):
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
    for at, packed in _packed(_rows(bins.segments(), scope, _names(scope)), "at", (kind,)):
        index = indices.get(at)
        if index is None:
            index = indices[at] = bins.index(_seconds(at))
        if packed:
            _merge(parts[index], packed)
    return parts


def _sums(rows: _Rows, by: str, kinds: Kinds) -> Iterator[tuple[Any, Counters]]:
    columns = _columns(kinds)
    aliases = {f"of_{name}": aggregate for name, aggregate in columns.items()}
    sums = rows.values(by).annotate(**aliases).values_list(by, *aliases)
    for key, *values in sums:
        # A minimum that nobody knows is NULL.
        pairs = zip(columns, values, strict=True)
        found: dict[str, Any] = {name: value or 0 for name, value in pairs}
        for kind in kinds:
            found[kind] = Times(
                sum=found.pop(f"{kind}_sum"),
                min=found.pop(f"{kind}_min"),
                max=found.pop(f"{kind}_max"),
            )
        yield key, Counters(**found)


def _packed(rows: _Rows, by: str, kinds: Kinds) -> Iterable[tuple[Any, ...]]:
    # Not by a cursor: PostgreSQL plans one for its first rows, and reads the whole table then.
    return rows.values_list(by, *(f"{kind}_histogram" for kind in kinds))


def _merge(into: Histogram, packed: bytes) -> None:
    for index, count in unpack_histogram(packed).items():
        into[index] = into.get(index, 0) + count


def _rows(segments: Sequence[Segment], scope: Scope, names: Mapping[int, Name]) -> _Rows:
    """`names`: of the series in `scope`, whose numbers the index has, where a join has none."""
    within = Q(pk__in=())
    for segment in segments:
        within |= _within(segment)
    rows = TrafficRollup.objects.filter(within).order_by()
    return rows if scope == Scope() else rows.filter(series__in=list(names))


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


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
