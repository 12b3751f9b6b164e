"""Batches → rollups, each batch once.

The pair (source, seq) of a batch is written in the same transaction as its
counts. Whatever is sent, delivered or worked on twice, by two aggregators at
once or by one that was killed between commit and acknowledgement, meets the
pair, or the unique constraint on it, and changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from analytics.aggregate import of_pools, roll_up
from analytics.models import CountedBatch
from analytics.tables import BACKENDS, POOLS
from pool.bus import TrafficBatch
from pool.retention import delete_in_steps

_ATTEMPTS = 10  # each failed one means that another aggregator counted a batch

Pair = tuple[str, int]


def add(batches: Sequence[TrafficBatch], now: datetime) -> int:
    """Count those of `batches` that are not counted yet; returns how many that were.

    DatabaseError if that cannot be done now; then none of them was counted.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _add(batches, now)
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _add(batches: Sequence[TrafficBatch], now: datetime) -> int:
    fresh = {(batch.source, batch.seq): batch for batch in batches}
    for pair in _counted(fresh):
        del fresh[pair]
    if not fresh:
        return 0
    CountedBatch.objects.bulk_create(
        [CountedBatch(source=source, seq=seq, counted_at=now) for source, seq in sorted(fresh)]
    )
    rollups = roll_up(fresh.values())
    BACKENDS.merge(rollups)
    POOLS.merge(of_pools(rollups))
    return len(fresh)


def _counted(pairs: Iterable[Pair]) -> set[Pair]:
    """Those of `pairs` that are counted. Looked up as one range a source: numbers have no gaps."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for source, seq in pairs:
        numbers[source].append(seq)
    found: set[Pair] = set()
    for source, seqs in numbers.items():
        rows = CountedBatch.objects.filter(source=source, seq__range=(min(seqs), max(seqs)))
        known = set(rows.values_list("seq", flat=True))
        found |= {(source, seq) for seq in known.intersection(seqs)}
    return found


def prune_rollups(retention_hours: dict[int, int | None], now: datetime) -> None:
    for table in (BACKENDS, POOLS):
        table.prune(retention_hours, now)


def prune_batches(before: datetime) -> None:
    delete_in_steps(CountedBatch.objects.filter(counted_at__lt=before).order_by("counted_at"))
