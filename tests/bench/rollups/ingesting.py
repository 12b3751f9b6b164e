"""How many backend-seconds one aggregator takes from the stream into the database a second."""

from time import perf_counter, process_time
from typing import NamedTuple

from redis import Redis

from analytics.ingest import ingest
from pool.bus import TRAFFIC_FIELD, TRAFFIC_STREAM
from tests.bench.rollups.traffic import batches

START = 1_700_000_000


class Rate(NamedTuple):
    wall: float
    own: float  # by the aggregator's own processor time, whatever else the machine does


def measure(redis: Redis, *, sources: int, seconds: int, backends: int) -> Rate:
    """The database has rollups of the same buckets already, as it mostly does."""
    _send(redis, sources, 1, backends, START)
    ingest(redis)
    _send(redis, sources, seconds, backends, START + 1)
    began, began_own = perf_counter(), process_time()
    ingest(redis)
    rows = sources * seconds * backends
    return Rate(rows / (perf_counter() - began), rows / (process_time() - began_own))


def _send(redis: Redis, sources: int, seconds: int, backends: int, start: int) -> None:
    for data in batches(sources, seconds, backends, start):
        redis.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: data})
