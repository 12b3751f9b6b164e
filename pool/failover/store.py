"""Failover states in Redis: read together with what they follow from, and replaced only
as they were read, so that of several workers that see the same one tells of it.
"""

import logging
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import islice
from time import time
from typing import Any, cast

import msgspec
from redis import Redis

from pool.bus import (
    CIRCUITS_KEY,
    EJECTIONS_KEY,
    FAILOVER_CHANNEL,
    FAILOVER_KEY,
    FAILOVER_MOVES,
    HEALTH_KEY,
    LONE_CHANGES,
    MALFORMED,
    FailoverState,
    FloorChange,
    by_id,
    read_record,
)
from pool.choices import AdminState, HealthState
from pool.circuits.records import LoneChange
from pool.failover.decide import Move
from pool.obstacles import Obstacle
from pool.outage import Known
from pool.outliers.records import read_ejections
from pool.snapshot import PoolSpec

logger = logging.getLogger(__name__)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`raw`: the state as it is stored, "" if none is. `known`: of each backend, by its id.

    `alone`: as they are stored, the changes of circuits that were made without Redis.
    """

    pool: PoolSpec
    raw: bytes
    known: dict[int, Known]
    alone: tuple[bytes, ...] = ()

    @property
    def state(self) -> FailoverState:
        return read_state(self.raw)

    @property
    def out(self) -> dict[int, Obstacle]:
        """Why a backend cannot serve, by the ids of those that cannot."""
        why = {number: known.why_out(self.pool) for number, known in self.known.items()}
        return {number: reason for number, reason in why.items() if reason}

    @property
    def lone_changes(self) -> list[LoneChange]:
        return list(_readable(self.alone))

    @property
    def complete(self) -> bool:
        """Whether the health of all that are probed is known."""
        return not self.pool.health.enabled or all(
            self.known[backend.id].health is not None
            for backend in self.pool.backends
            if backend.admin_state is not AdminState.MAINTENANCE
        )

    def after(self, backend_id: int, verdict: HealthState) -> "Reading":
        """As it will be when the probes' verdict on a backend is in place."""
        known = {**self.known, backend_id: self.known[backend_id].after(verdict)}
        return msgspec.structs.replace(self, known=known)


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What to put in place of what: a script's arguments.

    `earlier`: moves before `move`. `alone`: what they came of, which is done with then.
    """

    pool_id: int
    before: bytes
    after: bytes
    change: bytes
    move: bytes
    earlier: tuple[bytes, ...] = ()
    alone: tuple[bytes, ...] = ()

    @property
    def arguments(self) -> list[bytes | int | str]:
        return [self.pool_id, self.before, self.after, FAILOVER_CHANNEL, self.change, self.move]


def replacement(
    pool_id: int,
    before: bytes,
    after: FailoverState,
    moves: Iterable[Move] = (),
    alone: tuple[bytes, ...] = (),
) -> Replacement:
    encoded = [msgspec.json.encode(move) for move in moves]
    changed = read_state(before).floor != after.floor
    change = FloorChange(pool_id=pool_id, floor=after.floor)
    return Replacement(
        pool_id=pool_id,
        before=before,
        after=msgspec.json.encode(after),
        change=msgspec.json.encode(change) if changed else b"",
        move=encoded[-1] if encoded else b"",
        earlier=tuple(encoded[:-1]),
        alone=alone,
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
        (reading,) = self.read_many([pool])
        return reading

    def read_many(self, pools: Iterable[PoolSpec]) -> list[Reading]:
        """In one journey."""
        pools = list(pools)
        with self._redis.pipeline(transaction=True) as pipe:
            for pool in pools:
                ids = [str(backend.id) for backend in pool.backends]
                pipe.hget(FAILOVER_KEY, str(pool.id))
                pipe.hget(EJECTIONS_KEY, str(pool.id))
                pipe.lrange(LONE_CHANGES % pool.id, 0, -1)
                for key in (HEALTH_KEY, CIRCUITS_KEY) if ids else ():
                    pipe.hmget(key, ids)
            replies = iter(pipe.execute())
        return [_reading(pool, replies) for pool in pools]

    def read_all(self) -> dict[int, bytes]:
        stored = cast("dict[bytes, bytes]", self._redis.hgetall(FAILOVER_KEY))
        return by_id(stored)

    def replace(self, replacement: Replacement) -> bool:
        """Whether it was done: not if somebody else has replaced the state meanwhile."""
        keys = [FAILOVER_KEY, FAILOVER_MOVES, LONE_CHANGES % replacement.pool_id]
        alone, earlier = replacement.alone, replacement.earlier
        last = alone[-1] if alone else b""
        arguments = [*replacement.arguments, len(alone), last, *earlier]
        return bool(self._replace(keys, arguments))


def _reading(pool: PoolSpec, replies: Iterator[Any]) -> Reading:
    """From the next ones of `replies`."""
    raw, ejections, alone = islice(replies, 3)
    records = islice(replies, 2 if pool.backends else 0)
    out = read_ejections(ejections).out(time())
    known = {
        backend.id: Known.read(*both, ejected=backend.id in out)
        for backend, both in zip(pool.backends, zip(*records, strict=True), strict=True)
    }
    return Reading(pool=pool, raw=raw or b"", known=known, alone=tuple(alone))


def read_state(raw: bytes | None) -> FailoverState:
    """The state in `raw`; a fresh one if there is none that this version can read."""
    return read_record(raw, FailoverState) or FailoverState()


def _readable(alone: Iterable[bytes]) -> Iterable[LoneChange]:
    for raw in alone:
        try:
            yield msgspec.json.decode(raw, type=LoneChange)
        except MALFORMED as error:
            logger.error("a circuit's change is malformed, and moves no traffic: %s", error)
