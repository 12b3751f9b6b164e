"""Circuits that all workers of all machines share, in Redis."""

from collections.abc import Awaitable, Sequence
from typing import Any, cast

import redis
from redis.asyncio import Redis

from pool.circuits import script
from pool.circuits.records import Circuit, Told
from pool.wrong_type import is_wrong_type
from proxy.stores.agreement import Step

Answer = tuple[Circuit, list[Told]]


class RedisCircuits:
    """Each operation is one step of one script, whoever else is at it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(script.source())

    async def apply(self, steps: Sequence[Step], now: float) -> list[Answer | None]:
        """What each step has come to, in one journey; None: its keys are of a wrong type."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for backend_id, operation, terms in steps:
                arguments = script.arguments(backend_id, operation, terms, now)
                await cast(
                    "Awaitable[Any]", self._script(script.keys(terms), arguments, client=pipe)
                )
            return _answers(await pipe.execute(raise_on_error=False))


class ThreadedRedisCircuits:
    """The same for programs on threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._script = client.register_script(script.source())

    def apply(self, steps: Sequence[Step], now: float) -> list[Answer | None]:
        with self._redis.pipeline(transaction=False) as pipe:
            for backend_id, operation, terms in steps:
                arguments = script.arguments(backend_id, operation, terms, now)
                self._script(script.keys(terms), arguments, client=pipe)
            return _answers(pipe.execute(raise_on_error=False))


def _answers(replies: Sequence[Any]) -> list[Answer | None]:
    """Raises what has gone wrong with Redis, and not with the keys of one pool."""
    for reply in replies:
        if isinstance(reply, Exception) and not is_wrong_type(reply):
            raise reply
    return [None if isinstance(one, Exception) else script.read_reply(one) for one in replies]
