"""A year of rollups, as retention leaves them: every backend busy all the time."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from django.db import connection, transaction
from msgspec.structs import replace

from analytics.aggregate import (
    KINDS,
    Counters,
    Key,
    PoolSeries,
    Rollups,
    Series,
    sum_of,
    sum_of_rows,
)
from analytics.levels import DAY, LEVELS, RETENTION_HOURS, floor
from analytics.tables import BACKENDS, COUNTERS, POOLS
from tests.bench.rollups.traffic import pool_of, some_second

DAYS = 365
TABLES = tuple(table.rollups for table in (BACKENDS, POOLS))
_PATTERNS = 50
_MOST = 60  # seconds that are added up one by one; longer buckets are multiples of them
_AT_ONCE = 50  # buckets in one transaction


def fill(backends: int, now: int) -> int:
    """Returns the number of rows. One bucket of each level is computed, the others are like it."""
    for step in LEVELS:
        rollups = dict(_bucket(step, floor(now, step), backends))
        with transaction.atomic():
            BACKENDS.merge(rollups)
            POOLS.merge(_of_pools(rollups))
    for step, hours in RETENTION_HOURS.items():
        last = floor(now, step)
        length = DAYS * DAY if hours is None else hours * 3600
        earlier = list(range(last - step, last - length, -step))
        for begin in range(0, len(earlier), _AT_ONCE):
            with transaction.atomic():
                for at in earlier[begin : begin + _AT_ONCE]:
                    _copy(step, last, at)
    return sum(table.objects.count() for table in TABLES)


def _bucket(step: int, at: int, backends: int) -> Iterator[tuple[Key[Series], Counters]]:
    patterns = [_pattern(step, Random(number)) for number in range(_PATTERNS)]
    for number in range(1, backends + 1):
        pool = pool_of(number)
        series = Series(pool, pool, f"pool-{pool}", number, f"backend-{number}")
        yield Key(step, at, series), patterns[number % _PATTERNS]


def _of_pools(rollups: Rollups[Series]) -> Rollups[PoolSeries]:
    """At the one level that these are of."""
    parts: dict[Key[PoolSeries], list[Counters]] = defaultdict(list)
    for (step, at, series), counters in rollups.items():
        parts[Key(step, at, PoolSeries.of(series))].append(counters)
    return {key: sum_of(found) for key, found in parts.items()}


def _pattern(step: int, random: Random) -> Counters:
    seconds = min(step, _MOST)
    counters = sum_of_rows([some_second(random) for _ in range(seconds)])
    longer = {
        kind: replace(times, histogram=times.histogram * (step // seconds))
        for kind in KINDS
        if (times := getattr(counters, kind))
    }
    return replace(counters, **longer)


def _copy(step: int, known: int, at: int) -> None:
    columns = ", ".join(COUNTERS)
    with connection.cursor() as cursor:
        for table in TABLES:
            name = table._meta.db_table
            cursor.execute(
                f"INSERT INTO {name} (step, at, series_id, {columns}) "
                f"SELECT step, %s, series_id, {columns} FROM {name} WHERE step = %s AND at = %s",
                [_adapt(at), step, _adapt(known)],
            )


def _adapt(at: int) -> str:
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(at, UTC))
