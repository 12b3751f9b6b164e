"""Failover states in Redis: read together with the health that they follow from, and replaced
only as they were read, so that of several workers that see the same one tells of it.
"""

from importlib import resources
from typing import cast

import msgspec
from redis import Redis

from pool.bus import (
    FAILOVER_CHANNEL,
    FAILOVER_KEY,
    FAILOVER_MOVES,
    HEALTH_KEY,
    FailoverState,
    FloorChange,
    HealthStatus,
)
from pool.choices import AdminState, HealthState
from pool.failover.decide import Move
from pool.snapshot import PoolSpec


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`raw`: the state as it is stored, "" if none is. `out`: ids of the unhealthy.

    `complete`: whether the health of all that are probed is known.
    """

    raw: bytes
    out: frozenset[int]
    complete: bool

    @property
    def state(self) -> FailoverState:
        return read_state(self.raw)


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What to put in place of what: a script's arguments."""

    pool_id: int
    before: bytes
    after: bytes
    change: bytes
    move: bytes

    @property
    def arguments(self) -> list[bytes | int | str]:
        return [self.pool_id, self.before, self.after, FAILOVER_CHANNEL, self.change, self.move]


def replacement(
    pool_id: int, before: bytes, after: FailoverState, move: Move | None
) -> Replacement:
    changed = read_state(before).floor != after.floor
    change = FloorChange(pool_id=pool_id, floor=after.floor)
    return Replacement(
        pool_id=pool_id,
        before=before,
        after=msgspec.json.encode(after),
        change=msgspec.json.encode(change) if changed else b"",
        move=msgspec.json.encode(move) if move else b"",
    )


def removal(pool_id: int, before: bytes) -> Replacement:
    change = msgspec.json.encode(FloorChange(pool_id=pool_id, floor=0))
    return Replacement(pool_id=pool_id, before=before, after=b"", change=change, move=b"")


class FailoverStore:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        script = resources.files(__package__).joinpath("move.lua").read_text()
        self._replace = redis.register_script(script)

    def read(self, pool: PoolSpec) -> Reading:
        ids = [str(backend.id) for backend in pool.backends]
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(FAILOVER_KEY, str(pool.id))
            if ids:
                pipe.hmget(HEALTH_KEY, ids)
            raw, *records = pipe.execute()
        known = dict(zip(ids, records[0], strict=True)) if ids else {}
        return _reading(pool, raw, {int(name): record for name, record in known.items()})

    def read_all(self) -> dict[int, bytes]:
        stored = cast("dict[bytes, bytes]", self._redis.hgetall(FAILOVER_KEY))
        return {int(pool_id): raw for pool_id, raw in stored.items()}

    def replace(self, replacement: Replacement) -> bool:
        """Whether it was done: not if somebody else has replaced the state meanwhile."""
        return bool(self._replace([FAILOVER_KEY, FAILOVER_MOVES], replacement.arguments))


def read_state(raw: bytes | None) -> FailoverState:
    """The state in `raw`; a fresh one if there is none that this version can read."""
    try:
        return msgspec.json.decode(raw, type=FailoverState) if raw else FailoverState()
    except msgspec.DecodeError:
        return FailoverState()


def _reading(pool: PoolSpec, raw: bytes | None, records: dict[int, bytes | None]) -> Reading:
    out = {backend_id for backend_id, record in records.items() if _is_unhealthy(record)}
    probed = [
        backend.id
        for backend in pool.backends
        if pool.health.enabled and backend.admin_state is not AdminState.MAINTENANCE
    ]
    return Reading(
        raw=raw or b"",
        out=frozenset(out if pool.health.enabled else ()),
        complete=all(records.get(backend_id) is not None for backend_id in probed),
    )


def _is_unhealthy(record: bytes | None) -> bool:
    try:
        status = msgspec.json.decode(record, type=HealthStatus) if record else None
    except msgspec.DecodeError:
        return False
    return status is not None and status.state is HealthState.UNHEALTHY
