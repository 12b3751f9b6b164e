"""When something was down: intervals of time from the changes that the timeline tells. Pure.

An outage lasts until probes pass again, even if nobody probed in between; maintenance ends
it, as nobody expects the backend to serve then. Times are Unix seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pool.choices import AdminState, HealthState


class Standing(NamedTuple):
    """What a backend was, since when. "": nobody knows, so that it gets requests."""

    since: float
    health: str = ""
    admin: str = AdminState.ACTIVE.value


class Change(NamedTuple):
    """One of both has changed; "" is the one that has not."""

    at: float
    health: str = ""
    admin: str = ""


class Interval(NamedTuple):
    """`start` may lie before the span that was looked at; `over`: it has ended in it."""

    start: float
    end: float
    over: bool = True

    @property
    def length(self) -> float:
        return self.end - self.start


def is_down(standing: Standing) -> bool:
    return (
        standing.health == HealthState.UNHEALTHY and standing.admin != AdminState.MAINTENANCE.value
    )


def is_out(standing: Standing) -> bool:
    """Whether it gets no new clients, whoever is the cause."""
    return standing.health == HealthState.UNHEALTHY or standing.admin != AdminState.ACTIVE.value


def intervals(
    first: Standing,
    changes: Iterable[Change],
    end: float,
    holds: Callable[[Standing], bool],
) -> list[Interval]:
    """When `holds` did, from `first` on; `changes` by time."""
    found: list[Interval] = []
    standing, since = first, first.since if holds(first) else None
    for change in changes:
        standing = Standing(
            change.at, change.health or standing.health, change.admin or standing.admin
        )
        if holds(standing):
            since = change.at if since is None else since
        elif since is not None:
            found.append(Interval(since, change.at))
            since = None
    if since is not None:
        found.append(Interval(since, end, over=False))
    return found


def common(lists: Sequence[Sequence[Interval]]) -> list[Interval]:
    """When all of them held at once; each list by time, without overlaps."""
    if not lists:
        return []
    both = list(lists[0])
    for other in lists[1:]:
        both = _common_of_two(both, other)
    return both


def _common_of_two(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    found = []
    left, right = 0, 0
    while left < len(one) and right < len(other):
        first, second = one[left], other[right]
        start, end = max(first.start, second.start), min(first.end, second.end)
        if start < end:
            found.append(Interval(start, end, over=first.over or second.over))
        if first.end < second.end:
            left += 1
        else:
            right += 1
    return found


def seconds_in(found: Iterable[Interval], start: float, end: float) -> float:
    return sum(max(0.0, min(one.end, end) - max(one.start, start)) for one in found)


class Cells(NamedTuple):
    """So many equal parts of time, from `start` on, each `width` seconds wide."""

    start: float
    width: float
    size: int

    def add(self, into: list[float], start: float, end: float, share: float = 1.0) -> None:
        """To each cell in `into` that `share` of what it has of the time from start to end."""
        at, end = max(start, self.start), min(end, self.start + self.width * self.size)
        if at >= end:
            return
        for index in range(int((at - self.start) / self.width), self.size):
            edge = min(end, self.start + self.width * (index + 1))
            into[index] += max(0.0, edge - at) * share
            at = max(at, edge)
            if at >= end:
                return
