"""A year of rollups, as retention leaves them: every backend busy all the time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from django.db import connection, transaction

from analytics.aggregate import Counters, Key, Series, sum_of
from analytics.levels import DAY, LEVELS, RETENTION_HOURS, floor
from analytics.models import TrafficRollup
from analytics.store import COUNTERS, merge
from tests.bench.rollups.traffic import pool_of, some_second

DAYS = 365
_PATTERNS = 50
_MOST = 60  # seconds that are added up one by one; longer buckets are multiples of them
_AT_ONCE = 50  # buckets in one transaction


def fill(backends: int, now: int) -> int:
    """Returns the number of rows. One bucket of each level is computed, the others are like it."""
    for step in LEVELS:
        with transaction.atomic():
            merge(dict(_bucket(step, floor(now, step), backends)))
    for step, hours in RETENTION_HOURS.items():
        last = floor(now, step)
        length = DAYS * DAY if hours is None else hours * 3600
        earlier = list(range(last - step, last - length, -step))
        for begin in range(0, len(earlier), _AT_ONCE):
            with transaction.atomic():
                for at in earlier[begin : begin + _AT_ONCE]:
                    _copy(step, last, at)
    return TrafficRollup.objects.count()


def _bucket(step: int, at: int, backends: int) -> Iterator[tuple[Key, Counters]]:
    patterns = [_pattern(step, Random(number)) for number in range(_PATTERNS)]
    for number in range(1, backends + 1):
        pool = pool_of(number)
        series = Series(pool, pool, f"pool-{pool}", number, f"backend-{number}")
        yield Key(step, at, series), patterns[number % _PATTERNS]


def _pattern(step: int, random: Random) -> Counters:
    seconds = min(step, _MOST)
    counters = sum_of(some_second(random) for _ in range(seconds))
    for kind in (counters.connect, counters.first_byte, counters.total):
        for bucket in kind.histogram:
            kind.histogram[bucket] *= step // seconds
    return counters


def _copy(step: int, known: int, at: int) -> None:
    columns = ", ".join(COUNTERS)
    table = TrafficRollup._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (step, at, series_id, {columns}) "
            f"SELECT step, %s, series_id, {columns} FROM {table} WHERE step = %s AND at = %s",
            [_adapt(at), step, _adapt(known)],
        )


def _adapt(at: int) -> str:
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(at, UTC))
