"""CSV that a spreadsheet opens as it is: line by line, and none of its cells a formula."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

# What a spreadsheet takes for a formula. Names, paths and what backends say come from outside.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """What `csv.writer` writes to; gives each line back."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Each with its end."""
    writer = csv.writer(_Line())
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value
