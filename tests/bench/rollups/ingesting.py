"""How many backend-seconds one aggregator takes from the stream into the database a second."""

from time import perf_counter

from redis import Redis

from analytics.ingest import ingest
from pool.bus import TRAFFIC_FIELD, TRAFFIC_STREAM
from tests.bench.rollups.traffic import batches

START = 1_700_000_000


def measure(redis: Redis, *, sources: int, seconds: int, backends: int) -> float:
    """Rows a second. The database has rollups of the same buckets already, as it mostly does."""
    for start, part in ((START, range(1)), (START + 1, range(1, seconds + 1))):
        redis.flushall()
        for data in batches(sources, len(part), backends, start):
            redis.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: data})
        began = perf_counter()
        ingest(redis)
    return sources * seconds * backends / (perf_counter() - began)
