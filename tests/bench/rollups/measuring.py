"""The part of the bench that runs inside of Django, against one database: see `__main__`."""

import argparse
import os
from pathlib import Path
from time import perf_counter, time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - after Django's setup
from django.db import connection  # noqa: E402

from analytics.levels import DAY, floor  # noqa: E402
from pool.connection import redis_client  # noqa: E402
from tests.bench.rollups import ingesting, reporting, year  # noqa: E402

_MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["ingest", "year"])
    parser.add_argument("backends", type=int)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    if options.part == "ingest":
        _ingest(options.backends)
    else:
        _year(options.backends)


def _ingest(backends: int) -> None:
    redis = redis_client()
    for name, sources, seconds in (
        ("fifty workers, one second", 50, 1),
        ("one worker, fifty seconds", 1, 50),
    ):
        rate = ingesting.measure(redis, sources=sources, seconds=seconds, backends=backends)
        print(f"{rate.wall:9,.0f} backend-seconds/s, {rate.own:,.0f} of own time: {name}")


def _year(backends: int) -> None:
    began = perf_counter()
    # A day that ends at half past noon begins with as many narrow buckets as one does on average.
    now = floor(int(time()), DAY) - DAY // 2 + 1830
    rows = year.fill(backends, now)
    print(f"{rows:,} rollups, filled in {perf_counter() - began:.0f} s")
    size = _tidy_up()
    print(f"{size / _MIB:,.0f} MiB, {size / rows:.0f} bytes a rollup")
    for name, seconds in reporting.measure(now).items():
        print(f"{seconds * 1000:7.0f} ms  24 h, {name}", flush=True)


def _tidy_up() -> int:
    """As it is after a while; returns the size of the rollups in bytes."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Path(connection.settings_dict["NAME"]).stat().st_size
        cursor.execute("VACUUM ANALYZE")
        size = 0
        for table in year.TABLES:
            cursor.execute("SELECT pg_total_relation_size(%s)", [table._meta.db_table])
            size += cursor.fetchone()[0]
        return size


if __name__ == "__main__":
    main()
