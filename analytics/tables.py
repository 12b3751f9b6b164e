"""Sums → the tables of rollups: those of each backend, and those of each pool.

Aggregators that add to the same rollups take turns: each locks the rows of its
series, in order of their ids, before it reads the rollups that it adds to. On
SQLite the write lock of the whole database does it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic

from django.db import connection
from django.db.models import Q
from msgspec.structs import astuple

from analytics.aggregate import (
    KINDS,
    SUMMED,
    AnySeries,
    Counters,
    Key,
    Rollups,
    Series,
    Times,
    sum_of,
)
from analytics.aggregate import PoolSeries as SeriesOfPool
from analytics.histograms import pack, unpack
from analytics.models import PoolRollup, PoolSeries, TrafficRollup, TrafficSeries
from analytics.writing import write
from pool.retention import delete_in_steps

# The columns of a rollup that hold its `Counters`, in their order.
COUNTERS: tuple[str, ...] = (
    *SUMMED,
    "in_flight_peak",
    *(f"{kind}_{field}" for kind in KINDS for field in Times.__struct_fields__),
)
_TIMES = len(SUMMED) + 1  # where the columns of the times begin
_FIELDS = len(Times.__struct_fields__)


@dataclass(frozen=True)
class Table(Generic[AnySeries]):
    """Rollups, and the series that they are of. `found_by`: the field by which these are found."""

    rollups: type[TrafficRollup] | type[PoolRollup]
    series: type[TrafficSeries] | type[PoolSeries]
    name: type[AnySeries]
    found_by: str

    def merge(self, fresh: Rollups[AnySeries]) -> None:
        """Add them to those that are stored; within a transaction."""
        ids = self._lock_series({key.series for key in fresh})
        if not ids:
            return
        whole = fresh | self._with_stored(fresh, {number: name for name, number in ids.items()})
        write(self.rollups, COUNTERS, _rows(whole, ids))

    def _lock_series(self, wanted: set[AnySeries]) -> dict[AnySeries, int]:
        """The ids of the series, made where there are none; locked until the transaction ends."""
        known = self._find_series(wanted)
        if missing := wanted - known.keys():
            series: Any = self.series
            series.objects.bulk_create(
                [series(**name._asdict()) for name in sorted(missing)], ignore_conflicts=True
            )
            known = self._find_series(wanted)
        return known

    def _find_series(self, wanted: set[AnySeries]) -> dict[AnySeries, int]:
        among = {getattr(name, self.found_by) for name in wanted}
        rows = self.series.objects.filter(**{f"{self.found_by}__in": among})
        found = {
            self.name(*values): number
            for number, *values in rows.select_for_update()
            .order_by("pk")
            .values_list("pk", *self.name._fields)
        }
        return {name: found[name] for name in wanted if name in found}

    def _with_stored(
        self, fresh: Rollups[AnySeries], names: dict[int, AnySeries]
    ) -> Rollups[AnySeries]:
        """Those of `fresh` that the database has too: the sums of both."""
        starts: dict[int, set[int]] = defaultdict(set)
        for key in fresh:
            starts[key.step].add(key.at)
        found: Rollups[AnySeries] = {}
        for step, ats in starts.items():
            # Of these series only: a wide bucket has all that there ever were.
            rows = self.rollups.objects.filter(
                step=step, at__in=[_datetime(at) for at in ats], series_id__in=list(names)
            )
            for at, number, *values in rows.values_list("at", "series_id", *COUNTERS):
                key = Key(step, int(at.timestamp()), names[number])
                if key in fresh:
                    found[key] = sum_of((fresh[key], read_counters(values)))
        return found

    def prune(self, retention_hours: dict[int, int | None], now: datetime) -> None:
        for step, hours in retention_hours.items():
            if hours is not None:
                old = Q(step=step, at__lt=now - timedelta(hours=hours))
                delete_in_steps(self.rollups.objects.filter(old).order_by("at"))


BACKENDS = Table(TrafficRollup, TrafficSeries, Series, "backend_id")
POOLS = Table(PoolRollup, PoolSeries, SeriesOfPool, "pool_id")


def read_counters(values: Sequence[Any]) -> Counters:
    """Counters from the columns `COUNTERS`."""
    times = [_read_times(*values[at : at + _FIELDS]) for at in range(_TIMES, len(values), _FIELDS)]
    return Counters(*values[:_TIMES], *times)


def _read_times(total: int, low: int, high: int, histogram: Any) -> Times:
    return Times(total, low, high, unpack(histogram))


def _rows(rollups: Rollups[AnySeries], ids: dict[AnySeries, int]) -> list[list[Any]]:
    """As `write` takes them."""
    starts = {at: _adapt(at) for at in {key.at for key in rollups}}
    return [
        _row((key.step, starts[key.at], ids[key.series]), counters)
        for key, counters in rollups.items()
    ]


def _row(begin: tuple[int, Any, int], counters: Counters) -> list[Any]:
    values = [*begin, *astuple(counters)[:_TIMES]]
    for times in (counters.queue, counters.connect, counters.first_byte, counters.total):
        values += (times.sum, times.min, times.max, pack(times.histogram))
    return values


def _adapt(at: int) -> Any:
    return connection.ops.adapt_datetimefield_value(_datetime(at))


def _datetime(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
