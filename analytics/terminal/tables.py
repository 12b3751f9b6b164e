"""A report as rich tables; plain columns where it does not go to a terminal."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analytics.terminal import cells
from analytics.terminal.layouts import LAYOUTS, Column, Section


def render(kind: str, report: Any, *, plain: bool) -> Iterator[RenderableType]:
    """Of several periods, one after the other."""
    for part in getattr(report, "periods", [report]):
        for line in _headlines(part):
            yield Text(line)
        for section in LAYOUTS[kind]:
            rows = list(section.rows(part))
            if rows:
                yield _table(section, rows, plain=plain)
        told = len(getattr(part, "backends", ()))
        if told < getattr(part, "backend_count", 0):
            yield Text(f"{told} of {part.backend_count} backends; see --limit, --offset and --top.")
        if getattr(part, "requests", None) == []:
            yield Text("No request is kept that is like that.")


def _headlines(report: Any) -> Iterator[str]:
    if hasattr(report, "before"):
        for name in ("before", "after"):
            yield f"{name.capitalize()}: {_time_of(getattr(report, name))}"
    elif hasattr(report, "until"):
        yield _time_of(report)
    for note in getattr(report, "notes", ()):
        yield cells.text(note)


def _time_of(report: Any) -> str:
    since = cells.moment(report.since) if report.since else "the beginning"
    target = f", target {report.target} %" if hasattr(report, "target") else ""
    return f"{since} to {cells.moment(report.until)} ({report.timezone}){target}"


def _table(section: Section, rows: list[Any], *, plain: bool) -> Table:
    table = Table(
        title=section.title,
        title_justify="left",
        box=None if plain else box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in section.columns:
        justify: Any = "right" if column.right else "left"
        table.add_column(column.heading, justify=justify, no_wrap=plain)
    for row in rows:
        table.add_row(*(Text(_cell(row, column)) for column in section.columns))
    return table


def _cell(row: Any, column: Column) -> str:
    value = row
    for name in column.path.split("."):
        value = getattr(value, name, None)
    return cells.NOTHING if value in (None, "") else column.shown(value)
