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
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

import uvloop
from environs import EnvError
from gunicorn.sock import ssl_context
from gunicorn.workers.base import Worker

from pool.bus import EdgeReport
from pool.fingerprint import fingerprint
from proxy.build import build_name
from proxy.engine.chores import LEAVE_TIMEOUT, Chores
from proxy.engine.counters import Counters
from proxy.engine.descriptors import room_for_clients
from proxy.engine.downstream import ClientConnection
from proxy.engine.edge import Edge
from proxy.engine.folder import folders_for
from proxy.engine.listener_tls import ListenerTls
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings, read_settings
from proxy.engine.tls_server import TlsServer

# No request leaves a cycle behind. The default, a look after 700 new objects, finds nothing
# and takes 1 % of the time.
COLLECT_AFTER = (50_000, 20, 20)
START_PATIENCE = 1.0  # for Redis; without it the file has to do
HEARTBEAT = 1.0  # seconds; gunicorn replaces a worker that misses it for `timeout`
CERTIFICATE_INTERVAL = 1.0  # seconds between two looks at the listener's certificate
# How long a draining worker lets idle connections be used once more: closing at
# once would reset requests that are already on their way.
DRAIN_GRACE = 1.0
FAREWELL = 0.5  # for what is said last to the clients that are left


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
        counters = Counters(folders[0] / f"{worker_id}.board")
        live = LiveBoard(folders[0] / f"{worker_id}.live")
        self.edge = Edge(self.loop, counters, settings, live, offset=self.age - 1)
        report = _report(settings, worker_id, host)
        chores = Chores(self.edge, live, folders, report, self.log.error_log)
        chores.start()
        self.edge.sweep.start()
        # Not before it is known what runs and who is unhealthy: clients wait in the backlog.
        await chores.feed.wait_until_caught_up(START_PATIENCE)
        servers = [await self._listen(listener.sock) for listener in self.sockets]
        if self.tls is not None:
            chores.follow(self.tls.follow, CERTIFICATE_INTERVAL)
        # What was made at start-up stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        await self._beat()
        for server in servers:
            server.close()
        await asyncio.sleep(0)  # until those that were accepted last are among the clients
        await self._drain()
        await chores.end(planned=not self._orphaned)

    async def _listen(self, sock: socket.socket) -> asyncio.Server | TlsServer:
        edge = self.edge
        if self.tls is None:
            return await self.loop.create_server(
                lambda: ClientConnection(edge), sock=sock, backlog=self.cfg.backlog
            )
        server = TlsServer(edge, sock, self.tls.context)
        server.start()
        return server

    @property
    def _orphaned(self) -> bool:
        """Whether the arbiter has died: then nobody replaces this worker."""
        return bool(self.ppid != os.getppid())

    async def _beat(self) -> None:
        """Tell the arbiter once a second that this worker lives, until it shall stop."""
        while self.alive and not self._orphaned:
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
        # At the end of graceful_timeout the arbiter kills it, whatever it still has to say.
        patience = self.cfg.graceful_timeout - LEAVE_TIMEOUT - FAREWELL
        deadline = self.loop.time() + max(0, patience)
        close_idle_at = min(self.loop.time() + DRAIN_GRACE, deadline)
        while (edge.clients or edge.shaking_hands) and self.loop.time() < deadline:
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
