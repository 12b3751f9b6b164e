"""Circuits in one worker: one task brings them to agreement with those of all others.

Failures wait for a few milliseconds and go to Redis together; what is decided
there, for all workers of all edges, is announced to each. Redis may be away:
`proxy.stores.agreement` says what holds then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time
from typing import Any

from redis.exceptions import RedisError

from pool.bus import MALFORMED
from pool.circuits.records import Circuit
from proxy.core.configuration import Configuration
from proxy.core.steps import Steps
from proxy.stores.agreement import Agreement, Equipment, Step
from proxy.stores.redis import RedisCircuits
from proxy.stores.timing import BATCH, IDLE_TICK, PATIENCE, RETRY, TICK

log = logging.getLogger("lbsite.edge")


class Circuits:
    """Works from the first `take_over()` on; agrees with others while it is `run()`."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._agreement = Agreement(self._news.set, time, log)
        self._retry_at = 0.0  # the loop's time

    def prepare(self, configuration: Configuration) -> Steps[Equipment]:
        """As `Agreement.prepare`."""
        return self._agreement.prepare(configuration.pools.values())

    def take_over(self, equipment: Equipment) -> Equipment:
        """As `Agreement.take_over`."""
        return self._agreement.take_over(equipment)

    def settle(self, configuration: Configuration, before: Equipment) -> Steps[None]:
        """As `Agreement.settle`."""
        return self._agreement.settle(configuration.pools.values(), before)

    def hear(self, message: bytes) -> None:
        """An announcement."""
        self._agreement.hear(message)

    def take_all(self, records: Mapping[Any, Any]) -> Steps[None]:
        """All that Redis has, by the backends' ids."""
        return self._agreement.take_all(records)

    def wake(self) -> None:
        """There is something to agree on."""
        self._news.set()

    async def run(self, shared: RedisCircuits, beside: Callable[[], Awaitable[None]]) -> None:
        """Report and agree until cancelled; `beside` is done each time as well."""
        while True:
            await self._wait()
            try:
                await self._agree(shared)
                await beside()
            except Exception:  # a defect in one must not end the agreement on all others
                log.exception("circuits could not be brought up to date")
                await asyncio.sleep(RETRY)

    async def _wait(self) -> None:
        pause = TICK if self._agreement.guarding else IDLE_TICK
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._news.wait()
        if self._news.is_set():
            await asyncio.sleep(BATCH)
            self._news.clear()

    async def _agree(self, shared: RedisCircuits) -> None:
        now = time()
        steps = self._agreement.steps(now)
        if not steps:
            return
        answers = await self._ask(shared, steps, now)
        self._agreement.answered(steps, answers, now)

    async def _ask(
        self, shared: RedisCircuits, steps: Sequence[Step], now: float
    ) -> list[Circuit | None]:
        """What Redis says; None while it is away, or says what nobody can read."""
        clock = asyncio.get_running_loop().time
        if clock() < self._retry_at:
            return [None] * len(steps)
        try:
            async with asyncio.timeout(PATIENCE):
                answers = await shared.apply(steps, now)
        except (RedisError, OSError, TimeoutError, *MALFORMED) as error:
            log.debug("circuits are decided without Redis: %s", error)
            self._retry_at = clock() + RETRY
            return [None] * len(steps)
        return [answer and answer[0] for answer in answers]
