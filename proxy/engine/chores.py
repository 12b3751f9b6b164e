"""What a worker does beside its requests, and how it takes its leave.

It follows the control plane, and tells it what has happened. The arbiter knows none of it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from inspect import isawaitable
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pool.bus import EDGE_REPORT_INTERVAL, EdgeReport
from proxy.engine.edge import Edge
from proxy.engine.feed import Feed
from proxy.engine.live import LiveBoard
from proxy.engine.orphans import Orphans
from proxy.engine.traffic import Shipper
from proxy.stores.ejections import RedisEjections
from proxy.stores.rate_limit import RedisRates
from proxy.stores.redis import RedisCircuits

SHIP_INTERVAL = 1.0  # seconds
LIVE_INTERVAL = 1.0  # between two looks for workers that have come or gone
ORPHAN_INTERVAL = 5.0  # between two looks for boards of killed workers
LEAVE_TIMEOUT = 2.0


class Chores:
    """One worker's. `folders`: where boards are that killed workers may have left."""

    def __init__(
        self,
        edge: Edge,
        live: LiveBoard,
        folders: Sequence[Path],
        report: EdgeReport,
        log: logging.Logger,
    ) -> None:
        settings = edge.settings
        self._edge = edge
        self._live = live
        self._log = log
        self._redis: Redis = Redis.from_url(settings.redis_url, socket_timeout=5)
        # What a circuit does cannot wait: without an answer the worker decides alone.
        self._impatient: Redis = Redis.from_url(settings.redis_url, retry=Retry(NoBackoff(), 0))
        snapshot = settings.data_dir / "edge" / "snapshot.json"
        self.feed = Feed(edge, self._redis, snapshot, report)
        self._shipper = Shipper(edge.counters.board, self._redis)
        self._orphans = [Orphans(folder, self._redis) for folder in folders]
        self._following: list[asyncio.Task[None]] = []
        self._shipping: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with the configuration of the last run; what has been published comes later."""
        edge, impatient = self._edge, self._impatient
        self.feed.load_file()
        self.follow(self._live.refresh, LIVE_INTERVAL)
        self.follow(self.feed.report, EDGE_REPORT_INTERVAL)
        ejections = partial(edge.outliers.agree, RedisEjections(impatient))
        self._following += [
            edge.loop.create_task(self.feed.run()),
            edge.loop.create_task(edge.circuits.run(RedisCircuits(impatient), ejections)),
            edge.loop.create_task(edge.rates.run(RedisRates(impatient))),
        ]
        self._ship(self._shipper.tick, SHIP_INTERVAL)
        self._ship(partial(edge.request_log.ship, self._redis), SHIP_INTERVAL)
        for orphans in self._orphans:
            self._ship(orphans.ship, ORPHAN_INTERVAL)
        if edge.access_log is not None:
            self._ship(edge.access_log.flush_soon, 0)

    def follow(self, chore: Callable[[], object], pause: float) -> None:
        """Do `chore` again and again, `pause` seconds after the last time, while there is work."""
        self._following.append(self._edge.loop.create_task(self._repeat(chore, pause)))

    def _ship(self, chore: Callable[[], object], pause: float) -> None:
        """As `follow()`, and while the worker takes its leave."""
        self._shipping.append(self._edge.loop.create_task(self._repeat(chore, pause)))

    async def _repeat(self, chore: Callable[[], object], pause: float) -> None:
        while True:
            try:
                pending = chore()
                if isawaitable(pending):
                    await pending
            except Exception:
                self._log.exception("A chore of the edge failed; it is tried again")
            await asyncio.sleep(pause)

    async def end(self, *, planned: bool) -> None:
        """No client is left: say what is to be said, in `LEAVE_TIMEOUT` seconds at most.

        What is not planned is not signed off: whoever watches shall notice.
        """
        self._live.close()
        for task in self._following:
            task.cancel()
        delivered, _ = await asyncio.gather(self._leave(planned), self._flush_access_log())
        for task in self._shipping:
            task.cancel()
        await asyncio.gather(*self._shipping, return_exceptions=True)
        # Not while anything here still sends: whoever finds the board without its worker
        # numbers the next batch as this one would have, and what is in the two differs.
        self._edge.counters.board.close(delete=delivered)
        await self._redis.aclose()
        await self._impatient.aclose()

    async def _leave(self, planned: bool) -> bool:
        """Whether the last counts have arrived; if not, they are another worker's to send."""
        delivered = False
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                delivered = await self._shipper.tick()
                await self._edge.request_log.ship(self._redis)
                if planned:
                    await self.feed.sign_off()
        except TimeoutError:
            self._log.warning("Redis is away: what it has not confirmed stays on the board")
        return delivered

    async def _flush_access_log(self) -> None:
        if self._edge.access_log is None:
            return
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self._edge.access_log.flush()
        except TimeoutError:
            self._log.warning("The access log cannot be written: its last lines are lost")
