"""What this worker has on each backend, told to Redis for explanations and screens.

Sent with the worker's report, and only what has changed since: of 1,000 backends
most are as they were two seconds ago.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

import msgspec
from redis.asyncio import Redis

from pool.bus import EDGE_REPORT_EXPIRY, BackendLoad, load_key
from proxy.core.backend import Backend

_EXPIRY = ceil(EDGE_REPORT_EXPIRY)


class LoadReport:
    def __init__(self, redis: Redis, worker_id: str) -> None:
        self._redis = redis
        self._key = load_key(worker_id)
        self._told: dict[int, BackendLoad] = {}

    async def send(self, backends: Iterable[Backend], now: int) -> None:
        """Bring Redis up to date; `now`: `Clock.now`. After a RedisError the next one makes up."""
        loads = {backend.id: _load_of(backend, now) for backend in backends}
        told, self._told = self._told, {}  # until it is certain what Redis has
        if not await self._redis.expire(self._key, _EXPIRY):
            told = {}  # the first report, or Redis has lost it
        changed: Any = {
            number: msgspec.json.encode(load)
            for number, load in loads.items()
            if told.get(number) != load
        }
        gone = [str(number) for number in told.keys() - loads.keys()]
        if changed or gone:
            async with self._redis.pipeline() as pipeline:
                if changed:
                    pipeline.hset(self._key, mapping=changed)
                if gone:
                    pipeline.hdel(self._key, *gone)
                pipeline.expire(self._key, _EXPIRY)
                await pipeline.execute()
        self._told = loads

    async def withdraw(self) -> None:
        self._told = {}
        await self._redis.delete(self._key)


def _load_of(backend: Backend, now: int) -> BackendLoad:
    return BackendLoad(
        in_flight=backend.in_flight,
        latency=round(backend.latency.own_mean(now)),
        weight=backend.weight,
    )
