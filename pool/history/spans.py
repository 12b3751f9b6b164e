"""The uptime of many backends in any span of time.

Hours that are folded are summed by the database. What the span has of an hour beside them is
read from the records of probes, which are exact, or where these are gone is its part of
that hour's row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, Max, QuerySet, Sum

from pool.history.folding import HOUR, SAMPLE_SECONDS, Allowances, folded_until, read_probes
from pool.history.tally import Tally, fold
from pool.models import Backend, HealthRecord, HourlyUptime
from pool.retention import health_kept

_TIMES = ("up", "degraded", "down")
_SUMS = {f"of_{name}": Sum(name) for name in _TIMES}
_PARTS = 20  # of what is read from records, if these are then of a width between:
_NARROWEST, _WIDEST = 10.0, 600.0  # seconds
_KNOWN = F("up") + F("degraded") + F("down")


class Stretch(NamedTuple):
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


class Known(NamedTuple):
    """Of so many seconds between `start` and `end` (Unix seconds) it is known how one was."""

    id: int
    start: float
    end: float
    seconds: float


_Ends = list[tuple[Stretch, dict[int, Tally]]]  # by the backend's id


@dataclass
class Uptimes:
    """`whole`: the hours that are folded; `ends`: what the span has beside them."""

    backends: Sequence[Backend]
    span: Stretch
    whole: Stretch
    ends: _Ends = field(default_factory=list)

    def tallies(self) -> dict[int, Tally]:
        """By the backends' ids; their times alone."""
        found = {backend.pk: Tally() for backend in self.backends}
        rows = self._hours(found).values("backend_id").annotate(**_SUMS)
        for number, *times in rows.values_list("backend_id", *_SUMS):
            found[number].add(Tally(**dict(zip(_TIMES, times, strict=True))))
        for _, tallies in self.ends:
            for number, tally in tallies.items():
                found[number].add(tally)
        for tally in found.values():
            tally.unknown = max(0.0, self.span.seconds - tally.known)
        return found

    def known_of(self, ids: Iterable[int]) -> Iterator[Known]:
        """Of these backends."""
        ids = set(ids)
        rows = self._hours(ids).annotate(known=_KNOWN).values_list("backend_id", "hour", "known")
        yield from _of_hours(rows)
        for stretch, tallies in self.ends:
            for number in tallies.keys() & ids:
                yield _of_stretch(number, stretch, tallies[number].known)

    def known_of_pools(self) -> Iterator[Known]:
        """Of a pool as much is known as of that backend of which most is."""
        rows = self._hours(backend.pk for backend in self.backends)
        by_pool = rows.values("backend__pool_id", "hour").annotate(known=Max(_KNOWN))
        yield from _of_hours(by_pool.values_list("backend__pool_id", "hour", "known"))
        pool_of = {backend.pk: backend.pool_id for backend in self.backends}
        for stretch, tallies in self.ends:
            most: dict[int, float] = {}
            for number, tally in tallies.items():
                pool_id = pool_of[number]
                most[pool_id] = max(most.get(pool_id, 0.0), tally.known)
            for pool_id, known in most.items():
                yield _of_stretch(pool_id, stretch, known)

    def _hours(self, ids: Iterable[int]) -> QuerySet[HourlyUptime]:
        start, end = self.whole
        return HourlyUptime.objects.filter(
            backend_id__in=list(ids), hour__gte=start, hour__lt=end
        ).order_by()


def read_uptimes(
    backends: Sequence[Backend], since: datetime, until: datetime, now: datetime
) -> Uptimes:
    """`until` must not be later than `now`."""
    since, until = since.astimezone(UTC), until.astimezone(UTC)  # in which hours are whole
    folded = folded_until() or since
    start, end = _floor(since + HOUR - timedelta.resolution), _floor(min(until, folded))
    if start >= end:
        start = end = since
    kept = now - health_kept()
    allowances = Allowances.read(getattr(settings, *SAMPLE_SECONDS))
    ids = [backend.pk for backend in backends]
    ends: _Ends = []
    for stretch in (Stretch(since, start), Stretch(end, until)):
        if stretch.start == stretch.end:
            continue
        if stretch.start >= kept or stretch.end > folded:
            ends += _from_records(ids, stretch, allowances)
        else:
            ends.append((stretch, _from_hours(ids, stretch)))
    return Uptimes(backends, Stretch(since, until), Stretch(start, end), ends)


def _floor(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _from_records(ids: Sequence[int], stretch: Stretch, allowances: Allowances) -> _Ends:
    """In parts, so that it can be told when nobody probed."""
    parts = ceil(stretch.seconds / min(_WIDEST, max(_NARROWEST, stretch.seconds / _PARTS)))
    edges = [stretch.start + (stretch.end - stretch.start) * part / parts for part in range(parts)]
    ends: _Ends = [(Stretch(*pair), {}) for pair in pairwise((*edges, stretch.end))]
    before = timedelta(seconds=max(map(allowances.of, ids), default=0.0))
    records = HealthRecord.objects.filter(
        backend_id__in=ids, at__gte=stretch.start - before, at__lt=stretch.end
    )
    start, end = stretch.start.timestamp(), stretch.end.timestamp()
    for number, probes in read_probes(records):
        folded = fold(probes, start, end, allowances.of(number), parts)
        for (_, tallies), tally in zip(ends, folded, strict=True):
            tallies[number] = tally
    return ends


def _from_hours(ids: Sequence[int], stretch: Stretch) -> dict[int, Tally]:
    """As if what an hour had of each state had been spread over it evenly."""
    rows = HourlyUptime.objects.filter(
        backend_id__in=ids, hour__gt=stretch.start - HOUR, hour__lt=stretch.end
    )
    found: dict[int, Tally] = {}
    for row in rows.order_by():
        within = min(row.hour + HOUR, stretch.end) - max(row.hour, stretch.start)
        found.setdefault(row.backend_id, Tally()).add(row.tally.part(within / HOUR))
    return found


def _of_hours(rows: Iterable[tuple[Any, ...]]) -> Iterator[Known]:
    for number, hour, known in rows:
        yield Known(number, hour.timestamp(), (hour + HOUR).timestamp(), known)


def _of_stretch(number: int, stretch: Stretch, known: float) -> Known:
    return Known(number, stretch.start.timestamp(), stretch.end.timestamp(), known)
