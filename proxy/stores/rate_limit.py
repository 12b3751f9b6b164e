"""Counters of rate limits that edges share: in Redis, and in the memory of one process."""

from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple, Protocol, cast

from redis.asyncio import Redis

from pool.bus import rate_key


class Taken(NamedTuple):
    """What was taken from one counter since the last time; durations in microseconds."""

    tag: int
    requests: int
    interval: int  # what one request adds
    most: int  # how far ahead the counter may be


class SharedRates(Protocol):
    async def settle(self, taken: Sequence[Taken]) -> list[int]:
        """Take it, in one step for each counter; microseconds that each is ahead then."""


class RedisRates:
    """By Redis' own clock: those of the machines need not agree."""

    def __init__(self, redis: Redis) -> None:
        source = resources.files(__package__).joinpath("rate_limit.lua").read_text()
        self._script = redis.register_script(source)

    async def settle(self, taken: Sequence[Taken]) -> list[int]:
        arguments = [number for one in taken for number in one[1:]]
        keys = [rate_key(one.tag) for one in taken]
        debts = await cast("Awaitable[Any]", self._script(keys, arguments))
        return [int(debt) for debt in debts]


class MemoryRates:
    """`clock` tells microseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._due: dict[int, int] = {}

    async def settle(self, taken: Sequence[Taken]) -> list[int]:
        now = self._clock()
        for tag, requests, interval, most in taken:
            due = max(self._due.get(tag, 0), now) + requests * interval
            self._due[tag] = min(due, now + 2 * most)
        return [self._due[one.tag] - now for one in taken]
