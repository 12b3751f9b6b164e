"""Requests of one web server's process, counted, noted and sent as those of an edge's worker are.

A thread of its own keeps the board and the log: requests, which have threads too, hand it
what there is to tell, so that nothing is counted by two at a time. A process that is killed
leaves its board to the next one, as a worker does.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread

from redis.asyncio import Redis

from proxy.core.configuration import Configuration
from proxy.engine.counters import Counters
from proxy.engine.orphans import Orphans
from proxy.engine.request_log import RequestLog
from proxy.engine.traffic import Shipper

SHIP_INTERVAL = 1.0  # seconds
ORPHANS_EVERY = 5  # of these

log = logging.getLogger("lbsite.client")

Tell = Callable[[Counters, RequestLog], None]


class Counting:
    """`folder` has the boards of all processes that count here."""

    def __init__(self, folder: Path, redis_url: str, request_log: RequestLog) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._request_log = request_log
        self._configuration: Configuration | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        started = Event()
        Thread(target=self._run, args=(started,), name="lbsite-counting", daemon=True).start()
        started.wait()

    def add(self, configuration: Configuration, tell: Tell) -> None:
        """To be called soon by the thread that counts; `configuration`: the request's."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._add, configuration, tell)

    def _add(self, configuration: Configuration, tell: Tell) -> None:
        if configuration is not self._configuration:
            self._configuration = configuration
            self._counters.configuration_changed()
        tell(self._counters, self._request_log)

    def _run(self, started: Event) -> None:
        source = f"{socket.gethostname()}-view-{os.getpid()}-{token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._counters = Counters(self._folder / f"{source}.board")
        except OSError as error:  # no reason to forward nothing
            log.error("requests to this process are not counted: %s", error)
            started.set()
        else:
            asyncio.run(self._keep(started))

    async def _keep(self, started: Event) -> None:
        self._loop = asyncio.get_running_loop()
        started.set()
        redis: Redis = Redis.from_url(self._redis_url, socket_timeout=5)
        shipper, orphans = Shipper(self._counters.board, redis), Orphans(self._folder, redis)
        turn, refilled_at = 0, self._loop.time()
        while True:
            now = self._loop.time()
            self._request_log.refill(now - refilled_at)
            refilled_at = now
            try:
                await shipper.tick()
                await self._request_log.ship(redis)
                if turn % ORPHANS_EVERY == 0:
                    await orphans.ship()
            except Exception:
                log.exception("what was counted could not be sent; it is tried again")
            turn += 1
            await asyncio.sleep(SHIP_INTERVAL)
