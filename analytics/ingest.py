"""Stream → store, until the stream is empty."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db import DatabaseError, connection
from redis import Redis

from analytics import store
from analytics.stream import TrafficStream

# In one transaction, and in memory: those of a thousand backends take 3 MB each.
BATCHES_AT_ONCE = 60
BUDGET = 20.0  # seconds for one run; what is left waits for the next one
BATCH_MEMORY = timedelta(days=7)  # for which an edge's repetition of a batch is recognised


def ingest(redis: "Redis", clock: Callable[[], float] = monotonic) -> int:
    """Count what the stream holds; returns the number of batches that were counted.

    DatabaseError, with everything left in the stream, while the database is away.
    """
    connection.ensure_connection()  # before anything is taken from the stream
    with _collector_paused():
        return _ingest(TrafficStream(redis), clock)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that is made of batches is part of a cycle. But there is so much of it that the
    collector comes often, and goes through all that a process has: a tenth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _ingest(stream: TrafficStream, clock: Callable[[], float]) -> int:
    end = clock() + BUDGET
    counted = 0
    while clock() < end and (entries := stream.take(BATCHES_AT_ONCE)):
        try:
            counted += store.add([entry.batch for entry in entries], datetime.now(UTC))
        except DatabaseError:
            stream.give_back(entries)
            raise
        stream.done(entries)
    return counted


def prune(redis: "Redis", retention_hours: dict[int, int | None], now: datetime) -> None:
    """Forget old rollups, and old batches of which no message can be left in the stream."""
    store.prune_rollups(retention_hours, now)
    oldest = TrafficStream(redis).oldest()
    before = now - BATCH_MEMORY
    if oldest is not None:
        # A message that is older than a batch's count may be that very batch.
        before = min(before, datetime.fromtimestamp(oldest, UTC))
    store.prune_batches(before)
