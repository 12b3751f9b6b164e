"""Circuits that all workers of all machines share, in Redis."""

from collections.abc import Awaitable, Sequence
from typing import Any, cast

import redis
from redis.asyncio import Redis

from pool.circuits import script
from pool.circuits.records import Circuit, Told
from proxy.stores.agreement import Step


class RedisCircuits:
    """Each operation is one step of one script, whoever else is at it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(script.source())

    async def apply(self, steps: Sequence[Step], now: float) -> list[tuple[Circuit, list[Told]]]:
        """What each step has come to, in one journey."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for backend_id, operation, terms in steps:
                arguments = script.arguments(backend_id, operation, terms, now)
                await cast(
                    "Awaitable[Any]", self._script(script.keys(terms), arguments, client=pipe)
                )
            return [script.read_reply(reply) for reply in await pipe.execute()]


class ThreadedRedisCircuits:
    """The same for programs on threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._script = client.register_script(script.source())

    def apply(self, steps: Sequence[Step], now: float) -> list[Circuit]:
        with self._redis.pipeline(transaction=False) as pipe:
            for backend_id, operation, terms in steps:
                arguments = script.arguments(backend_id, operation, terms, now)
                self._script(script.keys(terms), arguments, client=pipe)
            return [script.read_reply(reply)[0] for reply in pipe.execute()]
