"""The points of a series: into which parts a span is cut."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from analytics.levels import DAY, HOUR, MINUTE, STEPS, Segment, floor
from analytics.reports.cover import cover, join
from analytics.reports.span import BadParameter, Span

WIDTHS = {
    "10s": 10,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "6h": 6 * HOUR,
    "1d": DAY,
}
AUTO = "auto"

_MOST_POINTS = 300
_MOST_ROWS = 50_000  # that an automatic step reads: what SQLite adds up in some 100 ms
_ALL_POINTS = 20_000  # that are answered at all


@dataclass(frozen=True)
class Bins:
    """`edges` begin the parts, in Unix seconds; each lasts until the next one, or `end`."""

    step: str
    edges: list[int]
    end: int
    running: bool
    notes: tuple[str, ...] = ()

    def index(self, at: int) -> int:
        """The part that has a bucket which starts at `at`. What is later is in the last."""
        return bisect_right(self.edges, at) - 1

    def parts(self) -> Iterator[tuple[int, int]]:
        return pairwise((*self.edges, self.end))

    def segments(self) -> list[Segment]:
        """The widest buckets of which none is in two parts."""
        ends: list[int | None] = [*self.edges[1:], None if self.running else self.end]
        found = []
        for start, end in zip(self.edges, ends, strict=True):
            found += cover(start, end)
        return join(found)


def cut(span: Span, step: str = AUTO, series: int = 1, first: int | None = None) -> Bins:
    """The parts of `span`, `step` wide, of which the first and last may be cut short.

    `series`: how many rows a bucket has; `first`: when anything was counted first, where
    a span of everything begins. BadParameter if no such step is to be had.
    """
    start = max(span.start, floor(first or span.end, DAY)) if not span.start else span.start
    level = span.kept.finest(start)
    if step == AUTO:
        step = _automatic(span.end - start, level, series)
    width = _width(step, level, span.end - start)
    wanted = [edge for edge in _wanted(span, start, width) if start < edge < span.end]
    kept = [floor(edge, span.kept.finest(edge)) for edge in wanted]
    edges = sorted({start, *(edge for edge in kept if edge > start)})
    return Bins(step, edges, span.end, span.running, _notes(span, wanted, kept))


def _automatic(seconds: int, level: int, series: int) -> str:
    for name, width in WIDTHS.items():
        read = max(step for step in STEPS if width % step == 0)
        rows = series * seconds // read
        if width % level == 0 and seconds <= _MOST_POINTS * width and rows <= _MOST_ROWS:
            return name
    return "1d"


def _width(step: str, level: int, seconds: int) -> int:
    possible = {
        name: width
        for name, width in WIDTHS.items()
        if width % level == 0 and seconds <= _ALL_POINTS * width
    }
    known = ", ".join([AUTO, *possible])
    if step not in WIDTHS:
        raise BadParameter("step", f"“{step}” is not a step; give one of {known}.")
    if step not in possible:
        why = "is too narrow for so long a time"
        if WIDTHS[step] % level:
            why = "is narrower than what is kept from the time when this begins"
        raise BadParameter("step", f"“{step}” {why}; give one of {known}.")
    return WIDTHS[step]


def _wanted(span: Span, start: int, width: int) -> Iterable[int]:
    """Where parts should begin. What is wider than an hour goes by the days of the zone."""
    if width > HOUR:
        return _local(span.zone, start, span.end, width)
    return range(floor(start, width), span.end, width)


def _local(zone: tzinfo, start: int, end: int, width: int) -> Iterator[int]:
    """Each midnight of the zone, and every `width` of the clock on its wall from there."""
    day = datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while day.timestamp() < end:
        for seconds in range(0, DAY, width):
            # Arithmetic on a datetime with a zone is on the wall's clock, as it should be here.
            yield int((day + timedelta(seconds=seconds)).timestamp())
        day += timedelta(days=1)


def _notes(span: Span, wanted: list[int], kept: list[int]) -> tuple[str, ...]:
    moved = [edge for edge, at in zip(wanted, kept, strict=True) if edge != at]
    if not moved:
        return ()
    text = (
        f"Until {span.at(moved[-1]).date().isoformat()} steps begin earlier than on the clock of "
        "the time zone: narrower buckets, of which they are made, are not kept for so long."
    )
    return (text,)
