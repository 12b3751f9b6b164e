"""A backend's history as CSV, for a spreadsheet: streamed, whatever its length."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from pool import spreadsheet
from pool.models import Backend

_AT_ONCE = 2000


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


def csv_response(backend: Backend, name: str) -> StreamingHttpResponse:
    table = TABLES[name]
    rows = table.rows(backend).values_list(*table.columns).iterator(_AT_ONCE)
    file = f"{backend.pool.name}-{backend.name}-{name}.csv"
    return StreamingHttpResponse(
        spreadsheet.lines(chain([table.columns], rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_plain(file)}"'},
    )


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
