"""The levels of the rollups, and which of their buckets make up a stretch of time.

Every level holds all of the traffic, each with wider buckets and for longer.
A report starts with the narrowest buckets that it needs and goes over to wider
ones at their boundaries, so that a day is some hundred buckets and not 8,640.
"""

from typing import NamedTuple

TEN_SECONDS, MINUTE, HOUR, DAY = 10, 60, 3600, 86400

STEPS = (TEN_SECONDS, MINUTE, HOUR, DAY)  # widths of the buckets in seconds; each divides the next

# What was ever counted, for whoever wants one number a series: the bucket since 1970, and
# from 2038 on a second one (a wider one does not fit into the column).
EVER = 24_855 * DAY

LEVELS = (*STEPS, EVER)

# Hours after which the buckets of a level are deleted; None, or nothing said, keeps them.
RETENTION_HOURS: dict[int, int | None] = {TEN_SECONDS: 6, MINUTE: 72, HOUR: 24 * 92, DAY: None}

# Django setting, with its default: width of a level's buckets in seconds → hours, None for ever.
RETENTION = ("LB_TRAFFIC_RETENTION_HOURS", RETENTION_HOURS)


class Segment(NamedTuple):
    """Buckets of one level with `start` <= at < `end`; no end: all that follow."""

    step: int
    start: int
    end: int | None


def floor(at: int, step: int) -> int:
    return at - at % step


def segments(start: int, finest: int) -> list[Segment]:
    """The fewest buckets that hold everything since `start`, each second in one of them.

    `start` is moved to the beginning of its bucket of the `finest` level.
    """
    position = floor(start, finest)
    found = []
    for step, wider in zip(STEPS, (*STEPS[1:], None), strict=True):
        if step < finest:
            continue
        end = None if wider is None else -(-position // wider) * wider
        if end is None or end > position:
            found.append(Segment(step, position, end))
        position = end or position
    return found
