"""Batches → rollups, each batch once.

The pair (source, seq) of a batch is written in the same transaction as its
counts. Whatever is sent, delivered or worked on twice, by two aggregators at
once or by one that was killed between commit and acknowledgement, meets the
pair, or the unique constraint on it, and changes nothing.

Aggregators that add to the same rollups take turns: each locks the rows of its
series, in order of their ids, before it reads the rollups that it adds to. On
SQLite the write lock of the whole database does it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from msgspec.structs import astuple

from analytics.aggregate import (
    KINDS,
    SUMMED,
    Counters,
    Key,
    Rollups,
    Series,
    Times,
    pack_histogram,
    roll_up,
    unpack_histogram,
)
from analytics.models import CountedBatch, TrafficRollup, TrafficSeries
from analytics.writing import write
from pool.bus import TrafficBatch

# The columns of a rollup that hold its `Counters`, in their order.
COUNTERS: tuple[str, ...] = (
    *SUMMED,
    "in_flight_peak",
    *(f"{kind}_{field}" for kind in KINDS for field in Times.__struct_fields__),
)
_TIMES = len(SUMMED) + 1  # where the columns of the times begin
_FIELDS = len(Times.__struct_fields__)
_ATTEMPTS = 10  # each failed one means that another aggregator counted a batch
_DELETE_AT_ONCE = 5000

Pair = tuple[str, int]


def add(batches: Sequence[TrafficBatch], now: datetime) -> int:
    """Count those of `batches` that are not counted yet; returns how many that were.

    DatabaseError if that cannot be done now; then none of them was counted.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _add(batches, now)
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _add(batches: Sequence[TrafficBatch], now: datetime) -> int:
    fresh = {(batch.source, batch.seq): batch for batch in batches}
    for pair in _counted(fresh):
        del fresh[pair]
    if not fresh:
        return 0
    CountedBatch.objects.bulk_create(
        [CountedBatch(source=source, seq=seq, counted_at=now) for source, seq in sorted(fresh)]
    )
    merge(roll_up(fresh.values()))
    return len(fresh)


def _counted(pairs: Iterable[Pair]) -> set[Pair]:
    """Those of `pairs` that are counted. Looked up as one range a source: numbers have no gaps."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for source, seq in pairs:
        numbers[source].append(seq)
    found: set[Pair] = set()
    for source, seqs in numbers.items():
        rows = CountedBatch.objects.filter(source=source, seq__range=(min(seqs), max(seqs)))
        known = set(rows.values_list("seq", flat=True))
        found |= {(source, seq) for seq in known.intersection(seqs)}
    return found


def merge(rollups: Rollups) -> None:
    """Add `rollups` to those that are stored; within a transaction."""
    ids = _lock_series({key.series for key in rollups})
    if not ids:
        return
    _add_stored(rollups, {number: series for series, number in ids.items()})
    write(COUNTERS, [_row(key, counters, ids[key.series]) for key, counters in rollups.items()])


def _lock_series(wanted: set[Series]) -> dict[Series, int]:
    """The ids of the series, made where there are none; locked until the transaction ends."""
    known = _find_series(wanted)
    if missing := wanted - known.keys():
        TrafficSeries.objects.bulk_create(
            [TrafficSeries(**series._asdict()) for series in sorted(missing)], ignore_conflicts=True
        )
        known = _find_series(wanted)
    return known


def _find_series(wanted: set[Series]) -> dict[Series, int]:
    rows = TrafficSeries.objects.filter(
        backend_id__in={series.backend_id for series in wanted}
    ).select_for_update()
    found = {
        Series(*values): number
        for number, *values in rows.order_by("pk").values_list("pk", *Series._fields)
    }
    return {series: found[series] for series in wanted if series in found}


def _add_stored(rollups: Rollups, series: dict[int, Series]) -> None:
    """Add to `rollups` what the database has of the same keys."""
    starts: dict[int, set[int]] = defaultdict(set)
    for key in rollups:
        starts[key.step].add(key.at)
    for step, ats in starts.items():
        # Of these series only: a wide bucket has all that there ever were.
        rows = TrafficRollup.objects.filter(
            step=step, at__in=[_datetime(at) for at in ats], series_id__in=list(series)
        )
        for at, number, *values in rows.values_list("at", "series_id", *COUNTERS):
            counters = rollups.get(Key(step, int(at.timestamp()), series[number]))
            if counters is not None:
                counters.add(read_counters(values))


def read_counters(values: Sequence[Any]) -> Counters:
    """Counters from the columns `COUNTERS`."""
    times = [_read_times(*values[at : at + _FIELDS]) for at in range(_TIMES, len(values), _FIELDS)]
    return Counters(*values[:_TIMES], *times)


def _read_times(total: int, low: int, high: int, histogram: Any) -> Times:
    return Times(total, low, high, unpack_histogram(histogram))


def _row(key: Key, counters: Counters, series_id: int) -> tuple[Any, ...]:
    """As `write` takes it."""
    at = connection.ops.adapt_datetimefield_value(_datetime(key.at))
    values = [*astuple(counters)[:_TIMES]]
    for times in (counters.queue, counters.connect, counters.first_byte, counters.total):
        values += (times.sum, times.min, times.max, pack_histogram(times.histogram))
    return key.step, at, series_id, *values


# --- pruning ---


def prune_rollups(retention_hours: dict[int, int | None], now: datetime) -> None:
    for step, hours in retention_hours.items():
        if hours is not None:
            old = Q(step=step, at__lt=now - timedelta(hours=hours))
            delete_in_steps(TrafficRollup.objects.filter(old))


def prune_batches(before: datetime) -> None:
    delete_in_steps(CountedBatch.objects.filter(counted_at__lt=before))


def delete_in_steps(rows: "models.QuerySet[Any]") -> None:
    """In steps, so that no lock is held for long."""
    while ids := list(rows.order_by().values_list("pk", flat=True)[:_DELETE_AT_ONCE]):
        rows.model._default_manager.filter(pk__in=ids).delete()


def _datetime(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
