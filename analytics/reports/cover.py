"""Which buckets make up a range of time, when narrow ones are kept for less long than wide ones.

Narrow buckets at both ends, wide ones in the middle: a day that begins at any minute is
some hundred buckets. A range begins and ends at a boundary of the narrowest level that
still has its buckets there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analytics.levels import STEPS, Segment, floor


def ceil(at: int, step: int) -> int:
    return -(-at // step) * step


@dataclass(frozen=True)
class Kept:
    """From when on (Unix seconds) each level of `STEPS` has all of its buckets.

    Each begins at a boundary of the next level, so that a walk can change there.
    """

    since: tuple[int, ...]

    @classmethod
    def at(cls, now: int, retention_hours: Mapping[int, int | None]) -> "Kept":
        since = []
        for step, wider in zip(STEPS, (*STEPS[1:], STEPS[-1]), strict=True):
            hours = retention_hours.get(step)
            since.append(0 if hours is None else max(0, ceil(now - hours * 3600, wider)))
        return cls(tuple(since))

    def finest(self, at: int, wanted: int = STEPS[0]) -> int:
        """The narrowest level from `wanted` on that has what was counted at `at`."""
        for step, since in zip(STEPS, self.since, strict=True):
            if step >= wanted and at >= since:
                return step
        return STEPS[-1]


def cover(start: int, end: int | None) -> list[Segment]:
    """The fewest buckets from `start` to `end`, or with no end to what was counted last.

    Both must be boundaries of a level that is kept there.
    """
    found = []
    position = start
    while end is None or position < end:
        step, stop = _stretch(position, end)
        found.append(Segment(step, position, stop))
        if stop is None:
            break
        position = stop
    return found


def _stretch(position: int, end: int | None) -> tuple[int, int | None]:
    """The widest level that can go on at `position`, and until where."""
    fitting = [
        step for step in STEPS if position % step == 0 and (end is None or position + step <= end)
    ]
    step = fitting[-1]
    last = None if end is None else floor(end, step)
    if step == STEPS[-1]:
        return step, last
    wider = STEPS[STEPS.index(step) + 1]
    boundary = ceil(position + 1, wider)
    return step, boundary if last is None else min(boundary, last)


def join(segments: Iterable[Segment]) -> list[Segment]:
    """The same buckets with neighbours of one level as one segment."""
    joined: list[Segment] = []
    for segment in segments:
        if joined and joined[-1].step == segment.step and joined[-1].end == segment.start:
            joined[-1] = joined[-1]._replace(end=segment.end)
        else:
            joined.append(segment)
    return joined
