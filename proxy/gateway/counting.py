"""Requests of one web server's process, counted and sent as those of an edge's worker are.

A thread of its own keeps the board: requests, which have threads too, hand it what there
is to count, so that nothing is counted by two at a time. A process that is killed leaves
its board to the next one, as a worker does.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from time import monotonic_ns

from redis.asyncio import Redis

from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.core.routing import Route
from proxy.engine.counters import NEVER, Counters
from proxy.engine.orphans import Orphans
from proxy.engine.traffic import Shipper
from proxy.errors import Blame, Cause, ProxyError

SHIP_INTERVAL = 1.0  # seconds
ORPHANS_EVERY = 5  # of these

log = logging.getLogger("lbsite.client")


class Counting:
    """`folder` has the boards of all processes that count here."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._configuration: Configuration | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        started = Event()
        Thread(target=self._run, args=(started,), name="lbsite-counting", daemon=True).start()
        started.wait()

    def add(self, configuration: Configuration, add: Callable[[Counters], None]) -> None:
        """To be called soon by the thread that counts; `configuration`: the request's."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._add, configuration, add)

    def _add(self, configuration: Configuration, add: Callable[[Counters], None]) -> None:
        if configuration is not self._configuration:
            self._configuration = configuration
            self._counters.configuration_changed()
        add(self._counters)

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
        turn = 0
        while True:
            try:
                await shipper.tick()
                if turn % ORPHANS_EVERY == 0:
                    await orphans.ship()
            except Exception:
                log.exception("what was counted could not be sent; it is tried again")
            turn += 1
            await asyncio.sleep(SHIP_INTERVAL)


class Account:
    """What is to be counted of one request, once it has ended.

    Its first byte includes a connection that was made for it: urllib3 makes them unseen.
    """

    def __init__(self, counting: Counting, configuration: Configuration) -> None:
        self._counting = counting
        self._configuration = configuration
        self._started = monotonic_ns()
        self._sent = 0
        self._first_byte = NEVER
        self._over = False
        self.route: Route | None = None
        self.exchange: Exchange | None = None
        self.backend: Backend | None = None  # of the last try
        self.bytes_in = 0
        self.bytes_out = 0  # of the body

    def begin_try(self, backend: Backend) -> None:
        self.backend = backend
        self._sent = monotonic_ns()
        self._first_byte = NEVER

    def responded(self) -> None:
        self._first_byte = (monotonic_ns() - self._sent) // 1000

    def answered(self, error: ProxyError) -> None:
        """The client gets an answer that no backend has made."""
        self._end(error.status, cause=error.cause)

    def ended(self, status: int, *, aborted: bool = False, cut: bool = False) -> None:
        """`cut`: the backend broke off; `aborted`: nobody wanted the rest."""
        self._end(status, aborted=aborted, cut=cut)

    def _end(
        self, status: int, *, aborted: bool = False, cut: bool = False, cause: Cause | None = None
    ) -> None:
        if not self._over:
            self._over = True
            us = (monotonic_ns() - self._started) // 1000
            add = partial(self._add_to, status=status, us=us, aborted=aborted, cut=cut, cause=cause)
            self._counting.add(self._configuration, add)

    def _add_to(
        self,
        counters: Counters,
        *,
        status: int,
        us: int,
        aborted: bool,
        cut: bool,
        cause: Cause | None,
    ) -> None:
        exchange, route = self.exchange, self.route
        for backend, error in ((exchange and exchange.tried) or {}).items():
            if error.blame is Blame.BACKEND:
                broke_off = cut and backend is self.backend
                counters.failed_try(
                    route, backend, Cause.RESPONSE_CUT if broke_off else error.cause
                )
        if cause is not None:
            counters.answered_itself(route, cause)
        counters.request(
            route,
            self.backend,
            status,
            attempts=exchange.attempts if exchange is not None else 0,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            duration=us,
            first_byte=self._first_byte,
            aborted=aborted,
        )
