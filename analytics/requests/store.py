"""Stream → table of requests, and how long they stay there.

What is delivered twice has the same keys, and is kept once.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

import msgspec
from django.db import DatabaseError, connection, transaction
from redis import Redis

from analytics.batches import MalformedBatch
from analytics.requests.models import RequestRecord, RequestsLeftOut
from analytics.stream import BatchStream
from pool.bus import MALFORMED, REQUESTS_FIELD, REQUESTS_STREAM, RequestBatch, RequestNote
from pool.retention import delete_in_steps

# Django settings, with their defaults: how many of either sort are kept, and for how long.
KEPT = ("LB_REQUESTS_KEPT", 100_000)
HOURS = ("LB_REQUESTS_RETENTION_HOURS", 168)

BATCHES_AT_ONCE = 50  # in one transaction
BUDGET = 10.0  # seconds for one run; what is left waits for the next one
_ROWS_AT_ONCE = 500  # in one statement

_decoder = msgspec.msgpack.Decoder(RequestBatch)


def decode(data: bytes) -> RequestBatch:
    try:
        return _decoder.decode(data)
    except MALFORMED as error:
        raise MalformedBatch(f"not a batch of requests: {error}") from error


def keep(redis: "Redis", clock: Callable[[], float] = monotonic) -> int:
    """Keep what the stream holds; returns how many requests it held.

    DatabaseError, with everything left in the stream, while the database is away.
    """
    connection.ensure_connection()  # before anything is taken from the stream
    stream = BatchStream(redis, REQUESTS_STREAM, REQUESTS_FIELD, decode)
    end = clock() + BUDGET
    kept = 0
    while clock() < end and (entries := stream.take(BATCHES_AT_ONCE)):
        try:
            kept += add([entry.batch for entry in entries])
        except DatabaseError:
            stream.give_back(entries)
            raise
        stream.done(entries)
    return kept


def add(batches: Sequence[RequestBatch]) -> int:
    records = [_record(note) for batch in batches for note in batch.notes]
    left_out = [
        RequestsLeftOut(batch=batch.key, at=_datetime(batch.at), pool=pool, count=count)
        for batch in batches
        for pool, count in batch.left_out.items()
    ]
    with transaction.atomic():
        RequestRecord.objects.bulk_create(records, ignore_conflicts=True, batch_size=_ROWS_AT_ONCE)
        RequestsLeftOut.objects.bulk_create(left_out, ignore_conflicts=True)
    return len(records)


def _record(note: RequestNote) -> RequestRecord:
    return RequestRecord(**msgspec.structs.asdict(note) | {"at": _datetime(note.at / 1000)})


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def prune(keep_each: int, keep_hours: int, now: datetime) -> None:
    """Forget what is older, and of either sort all but the newest `keep_each`."""
    before = now - timedelta(hours=keep_hours)
    for table in (RequestRecord, RequestsLeftOut):
        delete_in_steps(table.objects.filter(at__lt=before).order_by("at"))
    for notable in (False, True):
        rows = RequestRecord.objects.filter(notable=notable)
        times = rows.order_by("-at").values_list("at", flat=True)
        for oldest in times[keep_each : keep_each + 1]:
            delete_in_steps(rows.filter(at__lte=oldest).order_by("at"))
