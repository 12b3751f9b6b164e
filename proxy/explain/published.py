"""What edges run and see, read from Redis: snapshot, health, and the workers' figures."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from redis import Redis

from pool.bus import (
    EDGE_REPORT_EXPIRY,
    EDGES_KEY,
    HEALTH_KEY,
    SNAPSHOT_KEY,
    BackendLoad,
    EdgeReport,
    HealthStatus,
    load_key,
)
from pool.snapshot import Snapshot, decode
from proxy.core.pool import Pool


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
    return _by_backend(redis, HEALTH_KEY, list(backends), HealthStatus)


def read_figures(redis: Redis, backends: Iterable[int], now: float | None = None) -> Figures:
    """What all workers that live have on these backends."""
    now = time.time() if now is None else now
    numbers = list(backends)
    records = cast("dict[bytes, bytes]", redis.hgetall(EDGES_KEY)).values()
    reports = [report for raw in records if (report := _decoded(raw, EdgeReport)) is not None]
    alive = [report for report in reports if now - report.seen_at <= EDGE_REPORT_EXPIRY]
    loads: dict[int, list[BackendLoad]] = {}
    for report in alive:
        found = _by_backend(redis, load_key(report.worker_id), numbers, BackendLoad)
        for number, load in found.items():
            loads.setdefault(number, []).append(load)
    oldest = min((report.seen_at for report in alive), default=None)
    age = max(0.0, now - oldest) if oldest is not None else None
    return Figures(len(alive), age, loads)


def apply_figures(pool: Pool, figures: Figures, now: int) -> None:
    """Let the backends have in flight what all workers have, and the mean of their latencies."""
    for number, loads in figures.loads.items():
        backend = pool.backends[number]
        backend.in_flight = sum(load.in_flight for load in loads)
        measured = [load.latency for load in loads if load.latency]
        if measured:
            backend.latency.observe(sum(measured) / len(measured), now)


def _by_backend(redis: Redis, key: str, numbers: list[int], kind: type[Any]) -> dict[int, Any]:
    if not numbers:
        return {}
    records = cast("list[bytes | None]", redis.hmget(key, [str(number) for number in numbers]))
    found = {}
    for number, raw in zip(numbers, records, strict=True):
        record = _decoded(raw, kind) if raw is not None else None
        if record is not None:
            found[number] = record
    return found


def _decoded(raw: bytes, kind: type[Any]) -> Any:
    """None for what another version has written in another shape."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        return None
