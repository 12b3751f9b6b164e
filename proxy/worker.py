"""The edge as a gunicorn worker class: ``gunicorn -k proxy.worker.EdgeWorker proxy.worker``.

An adapter only: gunicorn owns the sockets, the signals and the number of
workers; `proxy.engine` does the work. The application argument that gunicorn
asks for is never loaded, and Django is not imported.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

import uvloop
from environs import EnvError
from gunicorn.sock import ssl_context
from gunicorn.workers.base import Worker
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pool.bus import EDGE_REPORT_INTERVAL, EdgeReport
from pool.fingerprint import fingerprint
from proxy.build import build_name
from proxy.engine.access_log import FLUSH_INTERVAL
from proxy.engine.counters import Counters
from proxy.engine.descriptors import room_for_clients
from proxy.engine.downstream import ClientConnection
from proxy.engine.edge import Edge
from proxy.engine.feed import Feed
from proxy.engine.folder import folders_for
from proxy.engine.listener_tls import ListenerTls
from proxy.engine.live import LiveBoard
from proxy.engine.orphans import Orphans
from proxy.engine.settings import EdgeSettings, read_settings
from proxy.engine.traffic import Shipper
from proxy.stores.ejections import RedisEjections
from proxy.stores.rate_limit import RedisRates
from proxy.stores.redis import RedisCircuits

# No request leaves a cycle behind. The default, a look after 700 new objects, finds nothing
# and takes 1 % of the time.
COLLECT_AFTER = (50_000, 20, 20)
START_PATIENCE = 1.0  # for Redis; without it the file has to do
HEARTBEAT = 1.0  # seconds; gunicorn replaces a worker that misses it for `timeout`
SHIP_INTERVAL = 1.0
LIVE_INTERVAL = 1.0  # seconds between two looks for workers that have come or gone
CERTIFICATE_INTERVAL = 1.0  # between two looks at the listener's certificate
ORPHAN_INTERVAL = 5.0  # between two looks for boards of killed workers
# How long a draining worker lets idle connections be used once more: closing at
# once would reset requests that are already on their way.
DRAIN_GRACE = 1.0
# Kept back from gunicorn's graceful_timeout, at whose end the worker is killed.
LEAVE_TIMEOUT = 2.0
FAREWELL = 0.5  # also from it: for what is said last to the clients that are left


class EdgeWorker(Worker):  # type: ignore[misc]  # gunicorn is not typed
    """One event loop that serves the arbiter's sockets."""

    loop: asyncio.AbstractEventLoop
    edge: Edge
    # The arbiter's, inherited by each worker: after a SIGHUP with a broken
    # certificate new workers have the last good one, and any worker can resume
    # the sessions of any other.
    tls: ListenerTls | None = None

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called once by the arbiter: a bad variable ends the start, not each worker."""
        try:
            read_settings()
            cls.tls = _listener_tls(cfg)
        except (EnvError, ValueError) as error:
            sys.exit(f"The edge cannot start: {error}")

    def __init__(self, *args: Any, **options: Any) -> None:
        """Runs in the arbiter, before the fork."""
        super().__init__(*args, **options)
        cls = type(self)
        try:
            if cls.tls is None or not self.cfg.is_ssl or cls.tls.files != _certificate(self.cfg):
                cls.tls = _listener_tls(self.cfg)
            else:
                cls.tls.follow()
        except ValueError as error:
            self.log.error("The last certificate stays: %s", error)

    def load_wsgi(self) -> None:
        """There is no application: the published snapshot says what to do."""

    def init_process(self) -> None:
        self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)
        super().init_process()

    def init_signals(self) -> None:
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self.loop.add_signal_handler(signal.SIGTERM, self._stop)
        self.loop.add_signal_handler(signal.SIGINT, self._quit)
        self.loop.add_signal_handler(signal.SIGQUIT, self._quit)
        self.loop.add_signal_handler(signal.SIGUSR1, self._reopen_files)
        self.loop.add_signal_handler(signal.SIGWINCH, lambda: None)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def _stop(self) -> None:
        self.alive = False
        self._stopping.set()

    def _reopen_files(self) -> None:
        """SIGUSR1: logs were moved away."""
        self.log.reopen_files()
        if self.edge.access_log is not None:
            self.edge.access_log.reopen()

    def _quit(self) -> None:
        """SIGINT, SIGQUIT: no request is waited for."""
        self.cfg.set("graceful_timeout", 0)
        self._stop()

    def run(self) -> None:
        self._stopping = asyncio.Event()
        try:
            self.loop.run_until_complete(self._serve())
        except Exception:
            self.log.exception("The edge failed")
            sys.exit(1)
        finally:
            self.loop.close()

    def _settings(self) -> EdgeSettings:
        settings = read_settings()
        room = room_for_clients(settings.max_connections)
        if room < settings.max_connections:
            self.log.warning(
                "Room for %d clients, not for the %d of LB_MAX_CONNECTIONS: "
                "raise the limit of open files (ulimit -Hn)",
                room,
                settings.max_connections,
            )
        return replace(settings, max_connections=room)

    async def _serve(self) -> None:
        settings = self._settings()
        folders = folders_for(settings.data_dir)
        host = socket.gethostname()
        worker_id = f"{host}-{self.pid or os.getpid()}-{token_hex(4)}"
        redis: Redis = Redis.from_url(settings.redis_url, socket_timeout=5)
        # What a circuit does cannot wait: without an answer the worker decides alone.
        impatient: Redis = Redis.from_url(settings.redis_url, retry=Retry(NoBackoff(), 0))
        counters = Counters(folders[0] / f"{worker_id}.board")
        live = LiveBoard(folders[0] / f"{worker_id}.live")
        self.edge = Edge(self.loop, counters, settings, live, offset=self.age - 1)
        shipper = Shipper(counters.board, redis)
        snapshot = settings.data_dir / "edge" / "snapshot.json"
        feed = Feed(self.edge, redis, snapshot, _report(settings, worker_id, host))
        feed.load_file()
        following = [
            self.loop.create_task(self._repeat(live.refresh, LIVE_INTERVAL)),
            self.loop.create_task(feed.run()),
            self.loop.create_task(self._repeat(feed.report, EDGE_REPORT_INTERVAL)),
            self.loop.create_task(
                self.edge.circuits.run(
                    RedisCircuits(impatient),
                    partial(self.edge.outliers.agree, RedisEjections(impatient)),
                )
            ),
            self.loop.create_task(self.edge.rates.run(RedisRates(impatient))),
        ]
        # Beside the heartbeat: it must go on while Redis hangs.
        shipping = [
            self.loop.create_task(self._repeat(shipper.tick, SHIP_INTERVAL)),
            self.loop.create_task(
                self._repeat(partial(self.edge.request_log.ship, redis), SHIP_INTERVAL)
            ),
            *(
                self.loop.create_task(self._repeat(Orphans(folder, redis).ship, ORPHAN_INTERVAL))
                for folder in folders
            ),
        ]
        if self.edge.access_log is not None:
            shipping.append(
                self.loop.create_task(self._repeat(self.edge.access_log.flush, FLUSH_INTERVAL))
            )
        self.edge.start_sweeping()
        # Not before it is known what runs and who is unhealthy: clients wait in the backlog.
        await feed.wait_until_caught_up(START_PATIENCE)
        servers = [await self._listen(listener.sock) for listener in self.sockets]
        if self.tls is not None:
            following.append(
                self.loop.create_task(self._repeat(self._follow_tls, CERTIFICATE_INTERVAL))
            )
        # What was made at start-up stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        await self._beat()
        for server in servers:
            server.close()
        await self._drain()
        live.close()
        for task in following:
            task.cancel()
        delivered, _ = await asyncio.gather(
            self._leave(shipper, feed, redis), self._flush_access_log()
        )
        for task in shipping:
            task.cancel()
        await asyncio.gather(*shipping, return_exceptions=True)
        # Not while anything here still sends: whoever finds the board without its worker
        # numbers the next batch as this one would have, and what is in the two differs.
        counters.board.close(delete=delivered)
        await redis.aclose()
        await impatient.aclose()

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        tls = self.tls
        return await self.loop.create_server(
            lambda: ClientConnection(self.edge),
            sock=sock,
            ssl=tls.context if tls is not None else None,
            # A client that trickles its handshake is no better than one that does its head.
            ssl_handshake_timeout=self.edge.settings.request_head_timeout if tls else None,
            backlog=self.cfg.backlog,
        )

    async def _follow_tls(self) -> None:
        if self.tls is not None:
            self.tls.follow()

    async def _repeat(self, chore: Callable[[], object], pause: float) -> None:
        while True:
            try:
                pending = chore()
                if isawaitable(pending):
                    await pending
            except Exception:
                self.log.exception("A chore of the edge failed; it is tried again")
            await asyncio.sleep(pause)

    async def _beat(self) -> None:
        """Tell the arbiter once a second that this worker lives, until it shall stop."""
        while self.alive and self.ppid == os.getppid():
            self.notify()
            if self.edge.counters.requests >= self.max_requests:
                self.log.info("Restarting after %d requests", self.edge.counters.requests)
                break
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _drain(self) -> None:
        """Let requests finish for as long as gunicorn's graceful_timeout allows."""
        edge = self.edge
        edge.start_draining()
        patience = self.cfg.graceful_timeout - LEAVE_TIMEOUT - FAREWELL
        deadline = self.loop.time() + max(0, patience)
        close_idle_at = min(self.loop.time() + DRAIN_GRACE, deadline)
        while edge.clients and self.loop.time() < deadline:
            self.notify()
            if self.loop.time() >= close_idle_at:
                edge.close_idle_clients()
            await asyncio.sleep(0.05)
        edge.end_clients()
        deadline = self.loop.time() + FAREWELL
        while edge.clients and self.loop.time() < deadline:
            await asyncio.sleep(0.05)
        for client in list(edge.clients):
            client.transport.abort()
        await asyncio.sleep(0.05)  # until each has heard of it, and has counted its request

    async def _leave(self, shipper: Shipper, feed: Feed, redis: Redis) -> bool:
        """Whether the last counts have arrived; if not, they are another worker's to send."""
        delivered = False
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                delivered = await shipper.tick()
                await self.edge.request_log.ship(redis)
                await feed.sign_off()
        except TimeoutError:
            self.log.warning("Redis is away: what it has not confirmed stays on the board")
        return delivered

    async def _flush_access_log(self) -> None:
        if self.edge.access_log is None:
            return
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self.edge.access_log.flush()
        except TimeoutError:
            self.log.warning("The access log cannot be written: its last lines are lost")


def _certificate(cfg: Any) -> tuple[Path, ...]:
    """The files that gunicorn's options name."""
    names = (cfg.certfile, cfg.keyfile, cfg.ca_certs)
    return tuple(Path(name).absolute() for name in names if name)


def _listener_tls(cfg: Any) -> ListenerTls | None:
    """What the listener speaks TLS with. Raises ValueError naming the files."""
    if not cfg.is_ssl:
        return None
    files = _certificate(cfg)
    try:
        return ListenerTls(files, partial(ssl_context, cfg))
    except OSError as error:
        named = ", ".join(map(str, files))
        raise ValueError(f"--certfile and --keyfile cannot be used ({named}): {error}") from error


def _report(settings: EdgeSettings, worker_id: str, host: str) -> EdgeReport:
    now = time()
    return EdgeReport(
        worker_id=worker_id,
        host=host,
        pid=os.getpid(),
        version=build_name(),
        snapshot_number=0,
        snapshot_hash="",
        snapshot_since=now,
        started_at=now,
        seen_at=now,
        requests=0,
        secret=fingerprint(settings.secret_key),
    )
