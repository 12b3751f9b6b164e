"""What Redis has of the moment: configuration, health, circuits, edges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from pool.bus import EJECTIONS_KEY, TRAFFIC_STREAM, BackendLoad, EdgeReport, HealthStatus
from pool.circuits.records import Circuit
from pool.edges import read_reports
from pool.outliers.records import read_ejections
from pool.snapshot import EMPTY, PoolSpec, Snapshot, SnapshotError
from proxy.explain.published import read_circuits, read_figures, read_health, read_snapshot


@dataclass(frozen=True)
class Live:
    """`snapshot` has the number 0 if none is published that this version can read."""

    now: float
    snapshot: Snapshot
    health: Mapping[int, HealthStatus]
    circuits: Mapping[int, Circuit]
    ejected: frozenset[int]
    loads: Mapping[int, list[BackendLoad]]
    edges: list[EdgeReport]
    uncounted: int  # batches in the stream


def read_live(redis: "Redis", now: float) -> Live:
    """RedisError while Redis is away."""
    try:
        snapshot = read_snapshot(redis) or EMPTY
    except SnapshotError:
        snapshot = EMPTY
    backends = [backend.id for pool in snapshot.pools for backend in pool.backends]
    return Live(
        now=now,
        snapshot=snapshot,
        health=read_health(redis, backends),
        circuits=read_circuits(redis, backends),
        ejected=_read_ejected(redis, snapshot.pools, now),
        loads=read_figures(redis, backends, now).loads,
        edges=sorted(read_reports(redis).values(), key=lambda edge: (edge.host, edge.pid)),
        uncounted=redis.xlen(TRAFFIC_STREAM),
    )


def _read_ejected(redis: "Redis", pools: tuple[PoolSpec, ...], now: float) -> frozenset[int]:
    records: Any = redis.hgetall(EJECTIONS_KEY)
    return frozenset(
        number
        for pool in pools
        if pool.outlier.enabled
        for number in read_ejections(records.get(str(pool.id).encode())).out(now)
    )
