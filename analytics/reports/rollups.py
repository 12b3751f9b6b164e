"""What the reports read: the only queries to the rollups.

What tells of whole pools reads the pools' own rollups, and only what tells backends apart
reads theirs. The database adds up what it can. Histograms it only puts one behind the other, for
those who tell percentiles.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from django.db.models import Aggregate, BinaryField, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import NullIf

from analytics.aggregate import SUMMED, Counters, Times, sum_of
from analytics.histograms import unpack
from analytics.levels import DAY, Segment
from analytics.models import PoolRollup, PoolSeries, TrafficRollup, TrafficSeries
from analytics.reports.bins import Bins, cut
from analytics.reports.scope import EVERYWHERE, Scope
from analytics.reports.span import Span


class Name(NamedTuple):
    """Series of all routes, and of all backends that ever had the name, are one."""

    pool: str
    backend: str


class Part(NamedTuple):
    """What reached a backend of a pool, or what its edges answered themselves."""

    pool: str
    reached: bool


@dataclass(frozen=True)
class Backends:
    """Some of the series that tell backends apart, by their numbers."""

    names: Mapping[int, Name]
    everything: bool  # all that there are, and so that nothing need be looked up by number

    def only(self, wanted: Iterable[Name]) -> "Backends":
        kept = set(wanted)
        names = {number: name for number, name in self.names.items() if name in kept}
        return Backends(names, everything=False)


@dataclass(frozen=True)
class Totals:
    """`by_edge`: what reached no backend."""

    reached: Counters
    by_edge: Counters

    @property
    def whole(self) -> Counters:
        return sum_of((self.reached, self.by_edge))


Kinds = tuple[str, ...]  # some of `KINDS`
_Rows = QuerySet[Any, Any]


class _Together(Aggregate):
    """Packed histograms one behind the other, which is their sum."""

    output_field = BinaryField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRING_AGG(%(expressions)s, ''::bytea)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "GROUP_CONCAT(HEX(%(expressions)s), '')"  # of bytes it would make a text
        return self.as_sql(compiler, connection, template=template, **context)

    def convert_value(self, value: Any, expression: Any, connection: Any) -> bytes:
        return bytes.fromhex(value) if isinstance(value, str) else value or b""


@cache
def _columns(kinds: Kinds, histograms: bool) -> dict[str, Aggregate]:
    """What is added up, by the rollups' columns; of the times only those of `kinds`."""
    columns: dict[str, Aggregate] = {name: Sum(name) for name in SUMMED}
    columns["in_flight_peak"] = Max("in_flight_peak")
    for kind in kinds:
        columns[f"{kind}_sum"] = Sum(f"{kind}_sum")
        columns[f"{kind}_min"] = Min(NullIf(f"{kind}_min", 0))  # 0: not known
        columns[f"{kind}_max"] = Max(f"{kind}_max")
        if histograms:
            columns[f"{kind}_histogram"] = _Together(f"{kind}_histogram")
    return columns


def cut_span(span: Span, scope: Scope, step: str, cost: int = 1) -> Bins:
    """The parts of `span`; those of everything begin where there is something.

    `cost`: how much longer than adding it up it takes to read a row of a series.
    """
    series = _series(scope).objects.filter(scope.of_series()).count()
    return cut(span, step, series * cost, None if span.start else _first_bucket(scope))


def _first_bucket(scope: Scope) -> int | None:
    """The day in which the first of it was counted, in Unix seconds."""
    rows = _table(scope).objects.filter(scope.of_series("series__"), step=DAY)
    first = rows.aggregate(first=Min("at"))["first"]
    return int(first.timestamp()) if first else None


# --- of each backend ---


def find_backends(scope: Scope) -> Backends:
    rows = TrafficSeries.objects.filter(scope.of_series()).values_list("pk", "pool", "backend")
    names = {number: Name(pool, backend) for number, pool, backend in rows}
    return Backends(names, everything=scope == EVERYWHERE)


def present(segments: Sequence[Segment], backends: Backends) -> set[Name]:
    """Those of which anything was counted. It is in the index, so that no rollup is read.

    By one query a segment: PostgreSQL walks through the whole index for some of one or another.
    """
    found: set[int] = set()
    for segment in segments:
        rows = _of_backends([segment], backends).values_list("series_id", flat=True)
        found.update(rows.distinct())
    return {backends.names[number] for number in found if number in backends.names}


def sums(
    segments: Sequence[Segment], backends: Backends, kinds: Kinds = (), *, histograms: bool = False
) -> dict[Name, Counters]:
    """Of each backend, and of what the edge answered; of the times only those of `kinds`."""
    found: dict[Name, list[Counters]] = defaultdict(list)
    for number, counters in _sums(_of_backends(segments, backends), "series_id", kinds, histograms):
        if number in backends.names:  # not one that began just now
            found[backends.names[number]].append(counters)
    return {name: sum_of(parts) for name, parts in found.items()}


def _of_backends(segments: Sequence[Segment], backends: Backends) -> _Rows:
    rows = TrafficRollup.objects.filter(_within(segments)).order_by()
    return rows if backends.everything else rows.filter(series_id__in=list(backends.names))


# --- of all together ---


def totals(
    segments: Sequence[Segment], scope: Scope, kinds: Kinds = (), *, histograms: bool = False
) -> Totals:
    parts: dict[bool, list[Counters]] = {True: [], False: []}
    if scope.backend:
        parts[True] = [*sums(segments, find_backends(scope), kinds, histograms=histograms).values()]
    else:
        for part, counters in sums_of_pools(segments, scope, kinds, histograms=histograms).items():
            parts[part.reached].append(counters)
    return Totals(reached=sum_of(parts[True]), by_edge=sum_of(parts[False]))


def sums_of_pools(
    segments: Sequence[Segment], scope: Scope, kinds: Kinds = (), *, histograms: bool = False
) -> dict[Part, Counters]:
    """Of whole pools, even if `scope` names a backend."""
    whole = scope.all_backends()
    series = PoolSeries.objects.filter(whole.of_series()).values_list("pk", "pool", "reached")
    names = {number: Part(pool, reached) for number, pool, reached in series}
    found: dict[Part, list[Counters]] = defaultdict(list)
    for number, counters in _sums(_of_all(segments, whole), "series_id", kinds, histograms):
        if number in names:
            found[names[number]].append(counters)
    return {part: sum_of(parts) for part, parts in found.items()}


def series(
    bins: Bins, scope: Scope, kinds: Kinds = (), *, histograms: bool = False
) -> list[Counters]:
    """The sums of each part."""
    parts: list[list[Counters]] = [[] for _ in bins.edges]
    for at, counters in _sums(_of_all(bins.segments(), scope), "at", kinds, histograms):
        parts[bins.index(_seconds(at))].append(counters)
    return [sum_of(one) for one in parts]


def requests_of_pools(bins: Bins, scope: Scope) -> dict[str, list[int]]:
    """How many requests reached a backend of each pool in each part."""
    found: dict[str, list[int]] = defaultdict(lambda: [0] * len(bins.edges))
    rows = _of_all(bins.segments(), scope.all_backends()).filter(series__reached=True)
    counts = rows.values("series__pool", "at").annotate(reached=Sum("requests"))
    for pool, at, requests in counts.values_list("series__pool", "at", "reached"):
        found[pool][bins.index(_seconds(at))] += requests
    return dict(found)


def _of_all(segments: Sequence[Segment], scope: Scope) -> _Rows:
    rows = _table(scope).objects.filter(_within(segments)).order_by()
    if scope == EVERYWHERE:
        return rows
    # By their numbers, which the index has, where a join has none.
    series = _series(scope).objects.filter(scope.of_series())
    return rows.filter(series_id__in=list(series.values_list("pk", flat=True)))


def _table(scope: Scope) -> type[TrafficRollup] | type[PoolRollup]:
    return TrafficRollup if scope.backend else PoolRollup


def _series(scope: Scope) -> type[TrafficSeries] | type[PoolSeries]:
    return TrafficSeries if scope.backend else PoolSeries


# --- queries ---


def _sums(rows: _Rows, by: str, kinds: Kinds, histograms: bool) -> Iterator[tuple[Any, Counters]]:
    # Not by a cursor: PostgreSQL plans one for its first rows, and reads the whole table then.
    columns = _columns(kinds, histograms)
    aliases = {f"of_{name}": aggregate for name, aggregate in columns.items()}
    for key, *values in rows.values(by).annotate(**aliases).values_list(by, *aliases):
        # A minimum that nobody knows is NULL.
        found: dict[str, Any] = {
            name: value or 0 for name, value in zip(columns, values, strict=True)
        }
        for kind in kinds:
            packed = found.pop(f"{kind}_histogram", None)
            found[kind] = Times(
                sum=found.pop(f"{kind}_sum"),
                min=found.pop(f"{kind}_min"),
                max=found.pop(f"{kind}_max"),
                histogram=unpack(packed) if packed else 0,
            )
        yield key, Counters(**found)


def _within(segments: Sequence[Segment]) -> Q:
    found = Q(pk__in=())
    for segment in segments:
        part = Q(step=segment.step, at__gte=datetime.fromtimestamp(segment.start, UTC))
        if segment.end is not None:
            part &= Q(at__lt=datetime.fromtimestamp(segment.end, UTC))
        found |= part
    return found


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
