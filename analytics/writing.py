"""Rows of the rollups into the database: written over those of the same bucket and series.

No name in these statements is anybody's but the model's own.
"""
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Any

from django.db import connection

from analytics.models import TrafficRollup

_KEY = ("step", "at", "series_id")
_TABLE = TrafficRollup._meta.db_table
_FRESH = "analytics_fresh_rollups"  # this connection's own


def write(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """`columns`: those that the values in `rows` are of, after step, at and series.

    As `bulk_create(update_conflicts=True)`, but fast. To be called in a transaction.
    """
    with connection.wrap_database_errors:
        if connection.vendor == "postgresql":
            _copy((*_KEY, *columns), _update(columns), rows)
        else:
            _execute((*_KEY, *columns), _update(columns), rows)


def _execute(columns: Sequence[str], update: str, rows: Sequence[Sequence[Any]]) -> None:
    values = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {_TABLE} ({', '.join(columns)}) VALUES ({values}) {update}", rows
        )


def _copy(columns: Sequence[str], update: str, rows: Sequence[Sequence[Any]]) -> None:
    """PostgreSQL parses and plans each INSERT anew, which costs it more than the row."""
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {_FRESH} "
            f"AS SELECT {names} FROM {_TABLE} WITH NO DATA"
        )
        cursor.execute(f"TRUNCATE {_FRESH}")
        with cursor.copy(f"COPY {_FRESH} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"INSERT INTO {_TABLE} ({names}) SELECT {names} FROM {_FRESH} {update}")


def _update(columns: Sequence[str]) -> str:
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {updates}"
