"""Adding traffic up. Pure: batches in, sums out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec.structs import astuple

from analytics.histograms import Lanes, lanes_of_all
from analytics.levels import LEVELS, STEPS, floor
from pool.bus import TrafficBatch, TrafficRow, TrafficTimes


class Series(NamedTuple):
    """What is told apart. Names as they were then: reports outlive what they tell of."""

    route_id: int
    pool_id: int
    pool: str
    backend_id: int  # 0: answered by the edge itself
    backend: str


class PoolSeries(NamedTuple):
    """A pool's backends are one here, and what its edges answered themselves is another."""

    route_id: int
    pool_id: int
    pool: str
    reached: bool  # a backend

    @classmethod
    def of(cls, series: Series) -> "PoolSeries":
        return cls(series.route_id, series.pool_id, series.pool, bool(series.backend_id))


AnySeries = TypeVar("AnySeries", Series, PoolSeries)


class Key(NamedTuple, Generic[AnySeries]):
    step: int
    at: int  # Unix seconds, the start of a bucket that is `step` wide
    series: AnySeries


SUMMED = (
    *("requests", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *("errors", "connect_errors", "timeouts", "cuts", "retries", "hedges", "client_aborts"),
    *("rejected_rate_limit", "rejected_queue", "rejected_no_backend", "bytes_in", "bytes_out"),
)
KINDS = ("queue", "connect", "first_byte", "total")  # of times


class Times(msgspec.Struct, frozen=True, gc=False):
    """As `TrafficTimes`, but for the histogram, which adds up faster."""

    sum: int = 0
    min: int = 0  # 0: not known, as is `max`
    max: int = 0
    histogram: Lanes = 0


class Counters(msgspec.Struct, frozen=True, gc=False):
    """The counts of some `TrafficRow`s together. What each of them means is said there.

    `in_flight_peak` is the highest of all that were added: what workers had under way at
    the same moment is not known, so all of them together may have had more.
    """

    requests: int = 0
    status_1xx: int = 0
    status_2xx: int = 0
    status_3xx: int = 0
    status_4xx: int = 0
    status_5xx: int = 0
    errors: int = 0
    connect_errors: int = 0
    timeouts: int = 0
    cuts: int = 0
    retries: int = 0
    hedges: int = 0
    client_aborts: int = 0
    rejected_rate_limit: int = 0
    rejected_queue: int = 0
    rejected_no_backend: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    in_flight_peak: int = 0
    queue: Times = msgspec.field(default_factory=Times)
    connect: Times = msgspec.field(default_factory=Times)
    first_byte: Times = msgspec.field(default_factory=Times)
    total: Times = msgspec.field(default_factory=Times)


# The counts of a row and of counters are their last fields, in the same order.
_SUMS = len(SUMMED)
_COUNTS = _SUMS + 1 + len(KINDS)

Rollups = dict[Key[AnySeries], Counters]
_Level = dict[tuple[int, AnySeries], Counters]


def roll_up(batches: Iterable[TrafficBatch]) -> Rollups[Series]:
    """The sums of `batches` at every level. Each second counts where it belongs, however late."""
    groups: defaultdict[tuple[Any, ...], list[TrafficRow]] = defaultdict(list)
    for batch in batches:
        for second in batch.seconds:
            at = floor(second.at, STEPS[0])
            for row in second.rows:
                name = (at, row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
                groups[name].append(row)
    return _at_every_level(
        {(at, Series(*name)): sum_of_rows(rows) for (at, *name), rows in groups.items()}
    )


def of_pools(rollups: Rollups[Series]) -> Rollups[PoolSeries]:
    """The same traffic, told apart by pools alone."""
    groups: defaultdict[tuple[int, PoolSeries], list[Counters]] = defaultdict(list)
    for (step, at, series), counters in rollups.items():
        if step == STEPS[0]:
            groups[at, PoolSeries.of(series)].append(counters)
    return _at_every_level({key: sum_of(parts) for key, parts in groups.items()})


def _at_every_level(level: _Level[AnySeries]) -> Rollups[AnySeries]:
    rollups: Rollups[AnySeries] = {}
    for step in LEVELS:
        if step != STEPS[0]:
            level = _widen(level, step)
        for (at, series), counters in level.items():
            rollups[Key(step, at, series)] = counters
    return rollups


def _widen(level: _Level[AnySeries], step: int) -> _Level[AnySeries]:
    groups: defaultdict[tuple[int, AnySeries], list[Counters]] = defaultdict(list)
    for (at, series), counters in level.items():
        groups[floor(at, step), series].append(counters)
    return {key: sum_of(parts) for key, parts in groups.items()}


def sum_of_rows(rows: Sequence[TrafficRow]) -> Counters:
    return _sum(rows, lanes_of_all)


def sum_of(parts: Sequence[Counters]) -> Counters:
    return parts[0] if len(parts) == 1 else _sum(parts, sum)


_Merge = Callable[[list[Any]], Lanes]  # of histograms


def _sum(parts: "Sequence[TrafficRow] | Sequence[Counters]", merge: _Merge) -> Counters:
    """Column by column, which takes half as long as part by part."""
    columns = list(zip(*[astuple(part)[-_COUNTS:] for part in parts], strict=True))
    if not columns:
        return Counters()
    values: list[Any] = [sum(column) for column in columns[:_SUMS]]
    values.append(max(columns[_SUMS]))
    values += [_sum_of_times(column, merge) for column in columns[_SUMS + 1 :]]
    return Counters(*values)


def _sum_of_times(parts: "Iterable[TrafficTimes | Times]", merge: _Merge) -> Times:
    total = low = high = 0
    histograms = []
    for part in parts:
        total += part.sum
        if part.min and (part.min < low or not low):
            low = part.min
        if part.max > high:
            high = part.max
        if part.histogram:
            histograms.append(part.histogram)
    return Times(total, low, high, merge(histograms) if histograms else 0)
