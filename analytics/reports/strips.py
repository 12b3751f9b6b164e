"""Availability bit by bit, for a chart: no more than `MOST` cells, whatever the span."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pool.history.outages import Cells, Interval
from pool.history.spans import Known

MOST = 200
_WIDTHS = (
    *(10, 30, 60, 300, 600, 900, 1800),
    *(hours * 3600 for hours in (1, 2, 4, 6, 12, 24, 48, 7 * 24, 14 * 24, 30 * 24)),
)


@dataclass(frozen=True)
class Strip:
    """`backend` "": the pool itself. Each cell is `step` seconds wide, of which the first and
    the last may be cut short. `uptime`: percent of what is known, None where nothing is;
    `down`: seconds.
    """

    pool: str
    backend: str
    start: datetime
    step: int
    uptime: list[float | None]
    down: list[float]


def cut_cells(start: float, end: float) -> Cells:
    """The narrowest ones that are few enough, at boundaries of their width."""
    for width in _WIDTHS:
        first = start // width * width
        count = int(-((first - end) // width))
        if count <= MOST:
            return Cells(first, width, max(1, count))
    return Cells(start, (end - start) / MOST, MOST)


def fill(
    cells: Cells, outages: Iterable[Interval], known: Iterable[Known]
) -> tuple[list[float | None], list[float]]:
    """Uptime and seconds down of each cell."""
    down, seen = [0.0] * cells.size, [0.0] * cells.size
    for outage in outages:
        cells.add(down, outage.start, outage.end)
    for one in known:
        cells.add(seen, one.start, one.end, one.seconds / (one.end - one.start))
    uptime = [
        round(100 * max(0.0, 1 - lost / of), 3) if of > 0 else None
        for lost, of in zip(down, seen, strict=True)
    ]
    return uptime, [round(lost, 3) for lost in down]
