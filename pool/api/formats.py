"""Reports and lists as tables: CSV for spreadsheets, NDJSON for programs, sent as they are written.

A report says in `columns` what its rows are called; REST framework chooses by `?format=`
or Accept, and renders errors itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec
from django.http import StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request

from pool import spreadsheet

_ROWS_AT_ONCE = 500  # in one chunk of an answer

Row = Mapping[str, Any]


class _TableRenderer(BaseRenderer):
    """Tables are streamed by `table_response`; what comes here is an error."""

    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if renderer_context:  # no spreadsheet, whatever was asked for
            renderer_context["response"]["Content-Type"] = JSONRenderer.media_type
        return JSONRenderer().render(data)


class CsvRenderer(_TableRenderer):
    media_type = "text/csv"
    format = "csv"


class NdjsonRenderer(_TableRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"


class Negotiation(DefaultContentNegotiation):
    """Says which formats there are, where REST framework's own says “not found”."""

    def filter_renderers(self, renderers: Any, format: Any) -> Any:  # noqa: A002 - as it is called
        found = [renderer for renderer in renderers if renderer.format == format]
        if not found:
            known = ", ".join(renderer.format for renderer in renderers)
            raise ValidationError(
                {"format": [f"“{format}” is not a format of this; give one of {known}."]}
            )
        return found


RENDERERS = [JSONRenderer, BrowsableAPIRenderer, CsvRenderer, NdjsonRenderer]


def wants_table(request: Request) -> bool:
    renderer = request.accepted_renderer
    return isinstance(renderer, _TableRenderer)


def table_response(
    request: Request, name: str, columns: Sequence[str], rows: Iterable[Row]
) -> StreamingHttpResponse:
    """`rows` as the format that was asked for. `columns` name what is in them, nested with a
    dot; `name` is that of the file.
    """
    renderer = request.accepted_renderer
    lines = csv_lines(columns, rows) if renderer.format == "csv" else _ndjson(rows)
    return StreamingHttpResponse(
        _chunks(lines),
        content_type=f"{renderer.media_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.{renderer.format}"'},
    )


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := b"".join(islice(lines, _ROWS_AT_ONCE)):
        yield chunk


def _ndjson(rows: Iterable[Row]) -> Iterator[bytes]:
    return (msgspec.json.encode(row) + b"\n" for row in rows)


def csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    table = ([_flat(_find(row, column)) for column in columns] for row in rows)
    return (line.encode() for line in spreadsheet.lines(chain([columns], table)))


def _find(row: Row, column: str) -> Any:
    value: Any = row
    for name in column.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _flat(value: Any) -> Any:
    """Several values as one text."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {one}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(str(one) for one in value)
    return value
