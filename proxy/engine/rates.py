"""Rate limits in one worker: the machine's counters, and what all edges have taken together.

A request asks the machine's counter and waits for nobody. Where a limit is shared, one
task tells Redis every few milliseconds what was taken, and learns how far ahead the
common counter is: what other machines take is known here that much later, and only then
missed. While Redis is away each machine goes by its own counters.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic_ns

from redis.exceptions import RedisError

from pool.choices import RateScope
from pool.trouble import Trouble
from proxy.core.configuration import Configuration
from proxy.core.rate_limit import WORDS, RateLimit, tag_of
from proxy.core.steps import in_parts
from proxy.core.words import Words
from proxy.engine.mapped import map_file
from proxy.stores.rate_limit import RedisRates, Taken
from proxy.stores.timing import BATCH, PATIENCE, RETRY

IDLE = 0.25  # seconds between two looks at the limits of whole routes that nobody took from
_AT_ONCE = 500  # counters in one call of the script, which nothing else of Redis' can go between

log = logging.getLogger("lbsite.edge")


def map_table(path: Path) -> Words:
    """The counters in `path`, which all workers of the machine have in common."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return memoryview(map_file(descriptor, 8 * WORDS)).cast("Q")
    finally:
        os.close(descriptor)


class Rates:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._words: Words | None = None  # not before there is a limit
        self._whole: list[tuple[int, RateLimit]] = []  # shared, with a counter for all requests
        self._taken: dict[int, tuple[RateLimit, int]] = {}
        self._news = asyncio.Event()
        self._absence = Trouble(log, "rate limits are not shared while Redis is away: %s")

    def configure(self, configuration: Configuration) -> None:
        """Give each route that has a limit its own; the counters stay."""
        self._whole = []
        for route in configuration.routes:
            policy = route.spec.rate_limit
            if not policy.requests:
                continue
            if self._words is None:
                self._words = self._make_table()
            limit = route.limit = RateLimit(route.id, policy, self._words)
            if policy.scope is RateScope.SHARED:
                limit.told = partial(self._tell, limit)
                if not policy.key:
                    self._whole.append((tag_of(route.id, b""), limit))

    def _make_table(self) -> Words:
        try:
            return map_table(self._path)
        except OSError as error:  # no reason to refuse the configuration
            log.error("each worker has counters for rate limits of its own: %s", error)
            return [0] * WORDS

    def _tell(self, limit: RateLimit, tag: int) -> None:
        known = self._taken.get(tag)
        self._taken[tag] = limit, 1 if known is None else known[1] + 1
        if known is None:
            self._news.set()

    async def run(self, shared: RedisRates) -> None:
        """Settle with the other edges until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    await self._news.wait()
                    await asyncio.sleep(BATCH)
            self._news.clear()
            taken, self._taken = self._taken, {}
            for tag, limit in self._whole:
                taken.setdefault(tag, (limit, 0))
            if taken and not await self._settle(shared, taken):
                await asyncio.sleep(RETRY)

    async def _settle(self, shared: RedisRates, taken: dict[int, tuple[RateLimit, int]]) -> bool:
        """False while Redis is away: what is taken meanwhile is told to nobody."""
        try:
            for some in in_parts(taken.items(), _AT_ONCE):
                await self._settle_some(shared, some)
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.met(error)
            return False
        except Exception:  # a defect must not end the task: nothing would be shared any more
            log.exception("rate limits could not be shared")
            return False
        self._absence.over()
        return True

    @staticmethod
    async def _settle_some(
        shared: RedisRates, taken: Sequence[tuple[int, tuple[RateLimit, int]]]
    ) -> None:
        told = [
            Taken(tag, count, *(term // 1000 for term in limit.terms))
            for tag, (limit, count) in taken
        ]
        async with asyncio.timeout(PATIENCE):
            debts = await shared.settle(told)
        now = monotonic_ns()
        for (tag, (limit, _)), debt in zip(taken, debts, strict=True):
            limit.learn(tag, debt * 1000, now)
