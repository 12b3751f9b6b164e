"""How a backend has been: uptime over several spans, the last day bit by bit, repairs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from pool.choices import EventKind, HealthState
from pool.history.folding import HOUR, SAMPLE_SECONDS, Allowances, folded_until, read_probes
from pool.history.tally import Probe, Tally, fold, total
from pool.models import Backend, Event, HealthRecord, HourlyUptime

DAY = timedelta(days=1)
SPANS: dict[str, timedelta] = {
    "1h": HOUR,
    "24h": DAY,
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
CELLS = 144  # of ten minutes, in the last day
_CELLS_OF_AN_HOUR = 6


@dataclass(frozen=True)
class Repairs:
    """Times that it was down and came back; `mean` is the MTTR in seconds."""

    count: int
    mean: float | None


@dataclass(frozen=True)
class Past:
    """`spans` by their names; `day` in `CELLS`, the oldest first."""

    start: datetime  # of the day
    spans: dict[str, Tally]
    day: list[Tally]
    repairs: Repairs  # of the longest span


def read_past(backend: Backend, now: datetime) -> Past:
    """From the records of the last day, and from rows of hours for what lies before."""
    start = now - DAY
    allowance = _allowance(backend)
    records = HealthRecord.objects.filter(
        backend=backend, at__gte=start - timedelta(seconds=allowance), at__lt=now
    )
    probes = [probe for _, own in read_probes(records) for probe in own]
    hours = _hours(backend, now - max(SPANS.values()))
    return Past(
        start=start,
        spans=_spans(probes, hours, allowance, now),
        day=_day(probes, hours, allowance, start, now),
        repairs=read_repairs(backend, now - max(SPANS.values())),
    )


def read_repairs(backend: Backend, since: datetime) -> Repairs:
    """By the timeline, whose rows are kept longer than any probe."""
    changes = Event.objects.filter(
        backend=backend, kind=EventKind.HEALTH_CHANGED.value, at__gte=since
    ).order_by("at", "id")
    down_since: datetime | None = None
    lengths: list[float] = []
    for at, data in changes.values_list("at", "data"):
        if data.get("to") == HealthState.UNHEALTHY:
            down_since = down_since or at
        elif down_since is not None:
            lengths.append((at - down_since).total_seconds())
            down_since = None
    return Repairs(len(lengths), sum(lengths) / len(lengths) if lengths else None)


def _allowance(backend: Backend) -> float:
    pool = backend.pool.compile([backend.compile()])
    return Allowances([pool], getattr(settings, *SAMPLE_SECONDS)).of(backend.pk)


def _hours(backend: Backend, since: datetime) -> dict[datetime, Tally]:
    rows = HourlyUptime.objects.filter(backend=backend, hour__gt=since - HOUR)
    return {row.hour: row.tally for row in rows}


def _spans(
    probes: list[Probe], hours: dict[datetime, Tally], allowance: float, now: datetime
) -> dict[str, Tally]:
    """An hour is exact to the second; longer spans begin with a whole hour."""
    until = max(folded_until() or now - DAY, now - DAY)
    [rest] = fold(probes, until.timestamp(), now.timestamp(), allowance)
    spans = {}
    for name, span in SPANS.items():
        since = now - span
        if span <= HOUR:
            [spans[name]] = fold(probes, since.timestamp(), now.timestamp(), allowance)
        else:
            whole = total(tally for hour, tally in hours.items() if hour > since - HOUR)
            spans[name] = total((whole, rest))
            spans[name].unknown = max(0.0, span.total_seconds() - spans[name].known)
    return spans


def _day(
    probes: list[Probe],
    hours: dict[datetime, Tally],
    allowance: float,
    start: datetime,
    now: datetime,
) -> list[Tally]:
    """Where the records are gone already, each cell is its part of the hour."""
    cells = fold(probes, start.timestamp(), now.timestamp(), allowance, CELLS)
    oldest = probes[0].at if probes else now.timestamp()
    width = DAY / CELLS
    for index, cell in enumerate(cells):
        begin = start + index * width
        hour = hours.get(begin.replace(minute=0, second=0, microsecond=0))
        if hour is not None and not cell.known and (begin + width).timestamp() <= oldest:
            cells[index] = hour.part(1 / _CELLS_OF_AN_HOUR)
    return cells
