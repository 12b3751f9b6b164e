"""A heat map: how many requests took how long, over time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.levels import floor
from analytics.reports.figures import ms
from proxy.core.histogram import bucket_bounds

_MOST_ROWS = 40
_GROUPS = (1, 2, 4, 8, 16)  # buckets in a row: 16 are a power of two of microseconds


@dataclass(frozen=True)
class HeatRow:
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class HeatMap:
    """`counts` of each row have one number for each of `columns`, the beginnings of steps."""

    rows: list[HeatRow]
    columns: list[datetime]
    counts: list[list[int]]


@dataclass(frozen=True)
class HeatCell:
    """As a row of a table, if there was anything."""

    at: datetime
    low_ms: float
    high_ms: float
    requests: int


def draw(columns: list[datetime], parts: Sequence[Mapping[int, int]]) -> HeatMap:
    """The rows from the fastest to the slowest; `parts` are the columns' histograms."""
    used = {index for counts in parts for index in counts}
    if not used:
        return HeatMap([], columns, [])
    group = next((one for one in _GROUPS if _rows(used, one) <= _MOST_ROWS), _GROUPS[-1])
    first = floor(min(used), group)
    table = [[0] * len(parts) for _ in range(_rows(used, group))]
    for column, counts in enumerate(parts):
        for index, count in counts.items():
            table[(index - first) // group][column] += count
    rows = [_row(first + number * group, group) for number in range(len(table))]
    return HeatMap(rows, columns, table)


def cells(heat: HeatMap) -> Iterator[HeatCell]:
    for column, at in enumerate(heat.columns):
        for row, counts in zip(heat.rows, heat.counts, strict=True):
            if counts[column]:
                yield HeatCell(at, row.low_ms, row.high_ms, counts[column])


def _rows(used: set[int], group: int) -> int:
    return max(used) // group - min(used) // group + 1


def _row(first: int, group: int) -> HeatRow:
    return HeatRow(ms(bucket_bounds(first)[0]), ms(bucket_bounds(first + group - 1)[1]))
