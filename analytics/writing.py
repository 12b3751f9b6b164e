"""Rows of the rollups into the database: written over those of the same bucket and series.

No name in these statements is anybody's but the model's own.
"""
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Any

from django.db import connection

from analytics.models import Rollup

_KEY = ("step", "at", "series_id")

_Rows = Sequence[Sequence[Any]]


def write(model: type[Rollup], columns: Sequence[str], rows: _Rows) -> None:
    """`columns`: those that the values in `rows` are of, after step, at and series.

    As `bulk_create(update_conflicts=True)`, but fast. To be called in a transaction.
    """
    put = _copy if connection.vendor == "postgresql" else _execute
    with connection.wrap_database_errors:
        put(model, (*_KEY, *columns), _update(columns), rows)


def _execute(model: type[Rollup], columns: Sequence[str], update: str, rows: _Rows) -> None:
    table, names = model._meta.db_table, ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({values}) {update}", rows)


def _copy(model: type[Rollup], columns: Sequence[str], update: str, rows: _Rows) -> None:
    """PostgreSQL parses and plans each INSERT anew, which costs it more than the row."""
    table, names = model._meta.db_table, ", ".join(columns)
    fresh = f"{table}_fresh"  # this connection's own
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {fresh} "
            f"AS SELECT {names} FROM {table} WITH NO DATA"
        )
        cursor.execute(f"TRUNCATE {fresh}")
        with cursor.copy(f"COPY {fresh} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_type_of(model, name) for name in columns])
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {fresh} {update}")


def _type_of(model: type[Rollup], column: str) -> str:
    kind = model._meta.get_field(column).db_type(connection)
    assert kind is not None  # noqa: S101 - for the type checker: these are columns
    return kind


def _update(columns: Sequence[str]) -> str:
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {updates}"
