"""What this worker has on each backend, told to Redis for explanations and screens.

Sent with the worker's report, and only what has changed since: of 1,000 backends
most are as they were two seconds ago. Where they are not, requests are served between
one slice of them and the next.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

import msgspec
from redis.asyncio import Redis

from pool.bus import EDGE_REPORT_EXPIRY, BackendLoad, load_key
from proxy.core.backend import Backend
from proxy.core.steps import in_parts

_EXPIRY = ceil(EDGE_REPORT_EXPIRY)
_SLICE = 100  # backends


class LoadReport:
    def __init__(self, redis: Redis, worker_id: str) -> None:
        self._redis = redis
        self._key = load_key(worker_id)
        self._told: dict[int, BackendLoad] = {}

    async def send(self, backends: Iterable[Backend], now: int) -> None:
        """Bring Redis up to date; `now`: `Clock.now`. After a RedisError the next one makes up."""
        told, self._told = self._told, {}  # until it is certain what Redis has
        if not told or not await self._redis.expire(self._key, _EXPIRY):
            told = {}
            await self._redis.delete(self._key)
        loads: dict[int, BackendLoad] = {}
        # As they are now: a new snapshot may come meanwhile.
        for some in in_parts(list(backends), _SLICE):
            part = {backend.id: _load_of(backend, now) for backend in some}
            await self._tell({key: load for key, load in part.items() if told.get(key) != load})
            loads |= part
        gone = [str(number) for number in told.keys() - loads.keys()]
        if gone:
            await self._redis.hdel(self._key, *gone)
        self._told = loads

    async def _tell(self, loads: dict[int, BackendLoad]) -> None:
        if loads:
            encoded: Any = {key: msgspec.json.encode(load) for key, load in loads.items()}
            async with self._redis.pipeline() as pipeline:
                pipeline.hset(self._key, mapping=encoded)
                pipeline.expire(self._key, _EXPIRY)
                await pipeline.execute()

    async def withdraw(self) -> None:
        self._told = {}
        await self._redis.delete(self._key)


def _load_of(backend: Backend, now: int) -> BackendLoad:
    return BackendLoad(
        in_flight=backend.in_flight,
        latency=round(backend.latency.own_mean(now)),
        weight=backend.weight,
    )
