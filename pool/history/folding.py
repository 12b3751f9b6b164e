"""Records of probes → rows of hours, each hour once; and what is too old goes.

An hour's rows are written in one transaction and follow from its records alone. So a
fold that was killed has left nothing behind, and two at once write the same: the last
hour that has rows says how far it got.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet

from pool.choices import ProbeResult
from pool.compilation import compile_configuration
from pool.health.plan import plan_of
from pool.history.tally import Probe, Tally, fold
from pool.models import Backend, HealthRecord, HourlyUptime
from pool.retention import delete_in_steps
from pool.snapshot import PoolSpec, build

# Django setting, with its default: one pass in so many seconds is kept; 0: every probe.
SAMPLE_SECONDS = ("LB_HEALTH_SAMPLE_SECONDS", 60)

HOUR = timedelta(hours=1)
_GRACE = timedelta(minutes=10)  # for findings that waited while the database was away
_HOURS_AT_ONCE = 6  # of a backlog, in one run
_BACKENDS_AT_ONCE = 200  # whose records are in memory together
_FIELDS = tuple(field.name for field in fields(Tally))
_COLUMNS = (
    "backend_id",
    "at",
    "state",
    "result",
    "latency_ms",
    "omitted",
    "omitted_latency_sum_ms",
    "omitted_latency_max_ms",
)


def fold_hours(now: datetime, sample: float) -> int:
    """Fold the hours that are over, oldest first; returns how many. `sample`: see `Sampler`."""
    folded = 0
    allowances: Allowances | None = None
    while folded < _HOURS_AT_ONCE and (hour := _next_hour()) is not None:
        if hour + HOUR + _GRACE > now:
            break
        allowances = allowances or Allowances.read(sample)
        _save(hour, _tallies(hour, allowances))
        folded += 1
    return folded


def prune_records(before: datetime) -> int:
    """Delete records from before that time that are folded.

    The last folded hour stays: its end says how the next one began.
    """
    unfolded = _next_hour()
    if unfolded is not None:
        before = min(before, unfolded - HOUR)
    return delete_in_steps(HealthRecord.objects.filter(at__lt=before).order_by("at"))


def prune_hours(before: datetime) -> int:
    return delete_in_steps(HourlyUptime.objects.filter(hour__lt=before).order_by("hour"))


def folded_until() -> datetime | None:
    """The end of the last hour that has been folded."""
    last = HourlyUptime.objects.aggregate(last=Max("hour"))["last"]
    return last + HOUR if last else None


def probe_of(row: Sequence[Any]) -> Probe:
    """From a row of `_COLUMNS`, after the backend's id."""
    at, state, result, latency, *omitted = row
    return Probe(at.timestamp(), state, result != ProbeResult.FAIL, latency, *omitted)


def read_probes(records: QuerySet[HealthRecord]) -> Iterator[tuple[int, list[Probe]]]:
    """Each backend's probes by time; backends in the order of their ids."""
    rows = records.order_by("backend_id", "at", "id").values_list(*_COLUMNS).iterator(5000)
    for backend_id, own in groupby(rows, key=lambda row: row[0]):
        yield backend_id, [probe_of(row[1:]) for row in own]


class Allowances:
    """For how long a backend counts as it was found; see `pool.history.tally`."""

    def __init__(self, pools: Sequence[PoolSpec], sample: float) -> None:
        # Whatever comes in between, the sample's next row comes one probe after its time.
        self._seconds = {
            target.backend_id: sample + 3 * max(target.period, target.policy.down_interval)
            for target in plan_of(build(0, tuple(pools), ())).targets.values()
        }
        self._otherwise = sample + 60

    @classmethod
    def read(cls, sample: float) -> "Allowances":
        pools, _ = compile_configuration()
        return cls(pools, sample)

    def of(self, backend_id: int) -> float:
        """Of one that is not probed any more, what is usual."""
        return self._seconds.get(backend_id, self._otherwise)


def _next_hour() -> datetime | None:
    """The first hour that has records and is not folded; an empty one needs no rows."""
    records = HealthRecord.objects.order_by("at")
    until = folded_until()
    if until is not None:
        records = records.filter(at__gte=until)
    first = records.values_list("at", flat=True).first()
    return first and first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _tallies(hour: datetime, allowances: Allowances) -> Iterator[tuple[int, Tally]]:
    start, end = hour.timestamp(), (hour + HOUR).timestamp()
    ids = list(Backend.objects.order_by("pk").values_list("pk", flat=True))
    for index in range(0, len(ids), _BACKENDS_AT_ONCE):
        chunk = ids[index : index + _BACKENDS_AT_ONCE]
        before = timedelta(seconds=max(map(allowances.of, chunk)))
        records = HealthRecord.objects.filter(
            backend_id__in=chunk, at__gte=hour - before, at__lt=hour + HOUR
        )
        for backend_id, probes in read_probes(records):
            [tally] = fold(probes, start, end, allowances.of(backend_id))
            if tally.known or tally.probes:
                yield backend_id, tally


def _save(hour: datetime, tallies: Iterator[tuple[int, Tally]]) -> None:
    """Outside of the transaction as much as possible: it keeps other writers waiting."""
    found = dict(tallies)
    with transaction.atomic():
        kept = Backend.objects.filter(pk__in=list(found)).values_list("pk", flat=True)
        HourlyUptime.objects.bulk_create(
            (_row(backend_id, hour, found[backend_id]) for backend_id in sorted(kept)),
            batch_size=500,
            update_conflicts=True,
            unique_fields=["backend", "hour"],
            update_fields=_FIELDS,
        )


def _row(backend_id: int, hour: datetime, tally: Tally) -> HourlyUptime:
    fields = {name: getattr(tally, name) for name in _FIELDS}
    return HourlyUptime(backend_id=backend_id, hour=hour, **fields)
