"""Ejections that all workers of all machines share, in Redis."""

from collections.abc import Awaitable, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from pool.bus import Happening
from pool.outliers import script
from pool.outliers.records import Ejections


class RedisEjections:
    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(script.source())

    async def replace(
        self, pool_id: int, before: bytes, after: Ejections, told: Sequence[Happening]
    ) -> bytes | None:
        """None if it is done; the record as it is now, if it is not `before` any more."""
        arguments = script.arguments(pool_id, before, after, told)
        reply = await cast("Awaitable[Any]", self._script(script.KEYS, arguments))
        return reply if isinstance(reply, bytes) else None
