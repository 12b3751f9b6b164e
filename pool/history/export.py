"""A backend's history as CSV, for a spreadsheet: streamed, whatever its length."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from pool.models import Backend

_AT_ONCE = 2000

# What a spreadsheet takes for a formula. A backend writes its own excerpts.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_PROBES = (
    "at",
    "result",
    "status",
    "latency_ms",
    "state",
    "reason",
    "excerpt",
    "omitted",
    "omitted_latency_sum_ms",
    "omitted_latency_max_ms",
)
_HOURS = (
    "hour",
    "up",
    "degraded",
    "down",
    "unknown",
    "probes",
    "failures",
    "flaps",
    "latency_sum",
    "latency_max",
)

Table = tuple[tuple[str, ...], Callable[[Backend], Any]]

_SOURCES: dict[str, Table] = {
    "probes": (_PROBES, lambda backend: backend.health_records.order_by("at", "id")),
    "hours": (_HOURS, lambda backend: backend.hourly_uptimes.order_by("hour")),
}

# What can be exported, and what it is called.
TABLES: dict[str, str] = {"probes": "Probes as CSV", "hours": "Hours as CSV"}


class _Line:
    """What `csv.writer` writes to; gives each line back."""

    def write(self, text: str) -> str:
        return text


def csv_response(backend: Backend, table: str) -> StreamingHttpResponse:
    columns, source = _SOURCES[table]
    rows = source(backend).values_list(*columns).iterator(_AT_ONCE)
    name = f"{backend.pool.name}-{backend.name}-{table}.csv"
    return StreamingHttpResponse(
        _lines(columns, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_plain(name)}"'},
    )


def _lines(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value.isoformat() if hasattr(value, "isoformat") else value


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
