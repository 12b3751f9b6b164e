"""Counters of rate limits that edges share, in Redis."""

from collections.abc import Awaitable, Sequence
from importlib import resources
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis

from pool.bus import rate_key


class Taken(NamedTuple):
    """What was taken from one counter since the last time; durations in microseconds."""

    tag: int
    requests: int
    interval: int  # what one request adds
    most: int  # how far ahead the counter may be


class RedisRates:
    """By Redis' own clock: those of the machines need not agree."""

    def __init__(self, redis: Redis) -> None:
        source = resources.files(__package__).joinpath("rate_limit.lua").read_text()
        self._script = redis.register_script(source)

    async def settle(self, taken: Sequence[Taken]) -> list[int]:
        """Take it, in one step for each counter; microseconds that each is ahead then."""
        arguments = [number for one in taken for number in one[1:]]
        keys = [rate_key(one.tag) for one in taken]
        debts = await cast("Awaitable[Any]", self._script(keys, arguments))
        return [int(debt) for debt in debts]
