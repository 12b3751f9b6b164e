"""What edges run and hear, read from Redis, and what their workers report."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from redis import Redis

from pool.bus import (
    CIRCUITS_KEY,
    EDGE_REPORT_EXPIRY,
    EDGES_KEY,
    EJECTIONS_KEY,
    FAILOVER_KEY,
    HEALTH_KEY,
    SNAPSHOT_KEY,
    BackendLoad,
    EdgeReport,
    FailoverState,
    HealthStatus,
    load_key,
    read_record,
)
from pool.circuits.records import Circuit
from pool.outliers.records import Ejection, read_ejections
from pool.snapshot import Snapshot, decode

T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """`loads`: each worker's, by backend. `age`: seconds since the oldest report, if any."""

    workers: int = 0
    age: float | None = None
    loads: Mapping[int, list[BackendLoad]] = field(default_factory=dict)


def read_snapshot(redis: Redis) -> Snapshot | None:
    """None: nothing has been published. Raises SnapshotError."""
    raw = cast("bytes | None", redis.get(SNAPSHOT_KEY))
    return decode(raw) if raw is not None else None


def read_health(redis: Redis, backends: Iterable[int]) -> dict[int, HealthStatus]:
    """Of those that a probe has spoken of."""
    (found,) = _by_backend(redis, [HEALTH_KEY], list(backends), HealthStatus)
    return found


def read_figures(redis: Redis, backends: Iterable[int], now: float | None = None) -> Figures:
    """What all workers that live have on these backends."""
    now = time.time() if now is None else now
    numbers = list(backends)
    records = cast("dict[bytes, bytes]", redis.hgetall(EDGES_KEY)).values()
    reports = [report for raw in records if (report := read_record(raw, EdgeReport)) is not None]
    alive = [report for report in reports if now - report.seen_at <= EDGE_REPORT_EXPIRY]
    loads: dict[int, list[BackendLoad]] = {}
    keys = [load_key(report.worker_id) for report in alive]
    for found in _by_backend(redis, keys, numbers, BackendLoad):
        for number, load in found.items():
            loads.setdefault(number, []).append(load)
    oldest = min((report.seen_at for report in alive), default=None)
    age = max(0.0, now - oldest) if oldest is not None else None
    return Figures(len(alive), age, loads)


def read_circuits(redis: Redis, backends: Iterable[int]) -> dict[int, Circuit]:
    """Of those that are not as they are at first."""
    (found,) = _by_backend(redis, [CIRCUITS_KEY], list(backends), Circuit)
    return found


def read_ejected(redis: Redis, pool_id: int) -> dict[int, Ejection]:
    """Who of the pool is out as an outlier now, by the backends' ids."""
    raw = cast("bytes | None", redis.hget(EJECTIONS_KEY, str(pool_id)))
    return read_ejections(raw).out(time.time())


def read_floor(redis: Redis, pool_id: int) -> int:
    """The tier from which on the pool is to serve after a failover."""
    raw = cast("bytes | None", redis.hget(FAILOVER_KEY, str(pool_id)))
    state = read_record(raw, FailoverState)
    return state.floor if state is not None else 0


def _by_backend(
    redis: Redis, keys: list[str], numbers: list[int], kind: type[T]
) -> list[dict[int, T]]:
    """For each key what it has of these, in one journey."""
    if not numbers:
        return [{} for _ in keys]
    fields = [str(number) for number in numbers]
    with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hmget(key, fields)
        replies: list[list[bytes | None]] = pipe.execute()
    return [_decoded_by(numbers, reply, kind) for reply in replies]


def _decoded_by(numbers: list[int], records: list[bytes | None], kind: type[T]) -> dict[int, T]:
    found = {number: read_record(raw, kind) for number, raw in zip(numbers, records, strict=True)}
    return {number: record for number, record in found.items() if record is not None}
