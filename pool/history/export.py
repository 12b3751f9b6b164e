"""A backend's history as CSV, for a spreadsheet: streamed, whatever its length."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from pool.models import Backend

_AT_ONCE = 2000

# What a spreadsheet takes for a formula. A backend writes its own excerpts.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    label: str  # of a link to it
    columns: tuple[str, ...]
    rows: Callable[[Backend], QuerySet[Any]]


# What can be exported, by the name in URLs.
TABLES = {
    "probes": Table(
        label="Probes as CSV",
        columns=(
            *("at", "result", "status", "latency_ms", "state", "reason", "excerpt", "omitted"),
            *("omitted_latency_sum_ms", "omitted_latency_max_ms"),
        ),
        rows=lambda backend: backend.health_records.order_by("at", "id"),
    ),
    "hours": Table(
        label="Hours as CSV",
        columns=(
            *("hour", "up", "degraded", "down", "unknown"),
            *("probes", "failures", "flaps", "latency_sum", "latency_max"),
        ),
        rows=lambda backend: backend.hourly_uptimes.order_by("hour"),
    ),
}


class _Line:
    """What `csv.writer` writes to; gives each line back."""

    def write(self, text: str) -> str:
        return text


def csv_response(backend: Backend, name: str) -> StreamingHttpResponse:
    table = TABLES[name]
    rows = table.rows(backend).values_list(*table.columns).iterator(_AT_ONCE)
    file = f"{backend.pool.name}-{backend.name}-{name}.csv"
    return StreamingHttpResponse(
        _lines(table.columns, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_plain(file)}"'},
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
