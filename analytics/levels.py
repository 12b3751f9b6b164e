"""The levels of the rollups.

Every level holds all of the traffic, each with wider buckets and for longer.
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
