"""Finds, once a second, pools that go into panic or have nobody left, and those that recover.

What the timeline was told last of each pool is remembered in Redis, and replaced only as it
was read: of any number of workers that look, one tells.
"""

import logging
from collections.abc import Callable, Iterable
from importlib import resources
from typing import cast

from django.db import DatabaseError
from msgspec import json
from redis import Redis

from pool.bus import PANIC_ALARMS, PANIC_KEY, by_id
from pool.choices import EventKind
from pool.failover.store import FailoverStore, Reading
from pool.panic import events
from pool.panic.events import Alarm
from pool.panic.judge import judge
from pool.snapshot import PoolSpec, Snapshot

logger = logging.getLogger(__name__)

Recall = Callable[[Iterable[int]], dict[int, EventKind]]


class PanicWatch:
    def __init__(self, redis: "Redis", recall: Recall = events.recall) -> None:
        self._redis = redis
        self._readings = FailoverStore(redis)
        self._recall = recall
        self._pools: dict[int, PoolSpec] | None = None
        script = resources.files(__package__).joinpath("replace.lua").read_text()
        self._script = redis.register_script(script)

    def take(self, snapshot: Snapshot) -> None:
        """Watch the pools of this snapshot from now on."""
        self._pools = {pool.id: pool for pool in snapshot.pools}

    def follow(self, now: float) -> None:
        if self._pools is None:
            return
        known = by_id(cast("dict[bytes, bytes]", self._redis.hgetall(PANIC_KEY)))
        # Others wait: Redis was emptied, or a backend is new, and the probes speak soon.
        readings = [one for one in self._readings.read_many(self._pools.values()) if one.complete]
        recalled = self._recalled({one.pool.id for one in readings} - known.keys())
        for reading in readings:
            pool_id = reading.pool.id
            if pool_id in known:
                self._judge(reading, known[pool_id], _read(known[pool_id]), now)
            elif recalled is not None:
                told = recalled.get(pool_id, EventKind.POOL_RECOVERED)
                self._judge(reading, b"", told, now)
        for pool_id in known.keys() - self._pools.keys():
            self._replace(pool_id, known[pool_id], b"")

    def _judge(self, reading: Reading, raw: bytes, told: EventKind, now: float) -> None:
        verdict = judge(reading.pool, reading.known, reading.state.floor)
        after = verdict.kind.encode()
        if after == raw:
            return
        alarm = Alarm(pool_id=reading.pool.id, at=now, verdict=verdict)
        self._replace(reading.pool.id, raw, after, alarm if verdict.kind is not told else None)

    def _recalled(self, pool_ids: set[int]) -> dict[int, EventKind] | None:
        """What the timeline was told last of pools that Redis does not know; None: ask later."""
        try:
            return self._recall(pool_ids) if pool_ids else {}
        except DatabaseError as error:
            logger.warning("panic of new pools waits for the database: %s", error)
            return None

    def _replace(
        self, pool_id: int, before: bytes, after: bytes, alarm: Alarm | None = None
    ) -> None:
        told = json.encode(alarm) if alarm else b""
        self._script([PANIC_KEY, PANIC_ALARMS], [pool_id, before, after, told])


def _read(raw: bytes) -> EventKind:
    try:
        return EventKind(raw.decode())
    except ValueError:  # of another version
        return EventKind.POOL_RECOVERED
