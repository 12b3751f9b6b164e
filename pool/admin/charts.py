"""A backend's last day as drawings: shapes for inline SVG, with what they say in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timezone import localtime

from pool.history.reading import DAY, Past
from pool.history.tally import Tally
from pool.words import length

HEIGHT = 40.0  # of the line's drawing, in its own units; a cell is one unit wide
_STATES = ("down", "degraded", "up", "unknown")  # the first one with any time gives the colour
LEGEND = (("up", "up"), ("degraded", "degraded"), ("down", "down"), ("unknown", "not known"))


@dataclass(frozen=True)
class Cell:
    x: int
    state: str
    words: str


@dataclass(frozen=True)
class Day:
    """`lines`: points of polylines, apart where nothing passed. Latencies: milliseconds."""

    cells: list[Cell]
    lines: list[str]
    marks: list[str]  # times below the drawing
    width: int
    mean: float | None
    peak: float | None


def draw_day(past: Past) -> Day:
    step = DAY / len(past.day)
    means = [cell.latency for cell in past.day]
    known = [mean for mean in means if mean is not None]
    passes = sum(cell.probes - cell.failures for cell in past.day)
    return Day(
        cells=[
            Cell(index, _state(tally), _in_words(past.start + index * step, step, tally))
            for index, tally in enumerate(past.day)
        ],
        lines=list(_lines(means, max(known, default=0.0))),
        marks=[f"{localtime(past.start + DAY / 4 * part):%H:%M}" for part in range(4)],
        width=len(past.day),
        mean=sum(cell.latency_sum for cell in past.day) / passes if passes else None,
        peak=max((cell.latency_max for cell in past.day), default=0.0) or None,
    )


def _state(tally: Tally) -> str:
    """By its worst: an outage of a second shows."""
    return next((state for state in _STATES if getattr(tally, state) > 0), "unknown")


def _in_words(start: datetime, step: timedelta, tally: Tally) -> str:
    parts = [
        f"{state} {length(getattr(tally, state))}"
        for state in _STATES
        if getattr(tally, state) >= 0.5
    ]
    begin, end = localtime(start), localtime(start + step)
    return f"{begin:%H:%M} to {end:%H:%M}: {', '.join(parts) or 'nothing known'}"


def _lines(means: Sequence[float | None], highest: float) -> Iterator[str]:
    """A point alone becomes a dash as wide as its cell."""
    run: list[str] = []
    for index, mean in enumerate([*means, None]):
        if mean is not None:
            y = HEIGHT - mean / highest * (HEIGHT - 2) - 1 if highest else HEIGHT - 1
            run.append(f"{index + 0.5},{y:.1f}")
        elif run:
            yield " ".join(run) if len(run) > 1 else _dash(run[0])
            run = []


def _dash(point: str) -> str:
    x, y = point.split(",")
    return f"{float(x) - 0.5},{y} {float(x) + 0.5},{y}"
