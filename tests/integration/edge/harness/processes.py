"""The edge as it runs in production: gunicorn with its workers, and a Redis of its own."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from lbsite.redis_server import command as redis_command
from pool import bus
from pool.bus import EdgeReport, HealthChange, HealthStatus, TrafficBatch, TrafficRow
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, Snapshot, build, encode
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.waiting import PATIENCE, wait_until

START_PATIENCE = 60.0  # for gunicorn and its workers, on a machine that does other things as well


def worker_of(request_id: str) -> str:
    """Who gave a request this id: those of one worker begin alike."""
    return request_id[:20]


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class RedisServer:
    """On `folder`/redis.sock; what it confirmed survives a kill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder / 'redis.sock'}"
        self.client = redis.Redis.from_url(self.url, retry=Retry(ConstantBackoff(0.02), 500))
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(redis_command(self._folder), stdout=subprocess.DEVNULL)
        self.client.ping()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


class Edge:
    """Started without waiting for it: publish something, or `wait_for()` a number."""

    def __init__(
        self,
        folder: Path,
        redis_server: RedisServer,
        port: int,
        *options: str,
        tls: ssl.SSLContext | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`options` of gunicorn's. `tls`: what its clients speak to it with."""
        self.folder = folder
        self.tls = tls
        self._environment = dict(environment or {})
        self.port = port
        self.number = 0
        self.redis_server = redis_server
        self.redis = redis_server.client
        self._options = options
        self.start()

    def start(self) -> None:
        environment = {
            **os.environ,
            **self._environment,
            "LB_DATA_DIR": str(self.folder),
            "LB_REDIS_URL": self.redis_server.url,
        }
        with (self.folder / "edge.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    # By its script: USR2 starts it again by what it was started with.
                    *(
                        str(Path(sys.executable).with_name("gunicorn")),
                        "-k",
                        "proxy.worker.EdgeWorker",
                    ),
                    *("--no-control-socket", "--bind", f"127.0.0.1:{self.port}"),
                    *self._options,
                    "proxy.worker",
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return (self.folder / "edge.log").read_text()

    @property
    def workers(self) -> list[int]:
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if runs(child)]

    @contextmanager
    def client_of_each_worker(self) -> Iterator[list[Client]]:
        """As many as there are workers: who asks on new connections may miss one of them."""
        clients: dict[str, Client] = {}
        wanted = len(self.workers)

        def reach_another() -> bool:
            client = stack.enter_context(Client(self.port, tls=self.tls))
            request_id = client.get("/-/health").headers["x-request-id"]
            clients.setdefault(worker_of(request_id), client)
            return len(clients) == wanted

        with ExitStack() as stack:
            wait_until("each worker has taken a connection", reach_another)
            yield [*clients.values()]

    @property
    def clients(self) -> int:
        """How many connections the workers have with clients."""
        connections = [
            connection
            for worker in self.workers
            for connection in psutil.Process(worker).net_connections("tcp")
        ]
        return sum(one.laddr.port == self.port and bool(one.raddr) for one in connections)

    @property
    def boards(self) -> list[Path]:
        return sorted((self.folder / "edge").glob("*.board"))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        """As the supervisor does: SIGTERM, and it ends by itself."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Whatever is left of it, after a test that has failed."""
        if self.process.poll() is None:
            workers = psutil.Process(self.process.pid).children()
            self.process.kill()
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
            self.process.wait(PATIENCE)
            psutil.wait_procs(workers, PATIENCE)  # until they write to its folder no more

    # --- the control plane's part ---

    def serve(self, *backends: BackendSpec, workers: int = 1, **policies: object) -> None:
        """One pool of these backends for every host and path; returns when it runs."""
        pool = PoolSpec(id=1, name="shop", backends=backends, **policies)  # type: ignore[arg-type]
        self.publish((pool,), (RouteSpec(id=1, pool_id=1),), workers=workers)

    def publish(
        self, pools: tuple[PoolSpec, ...], routes: tuple[RouteSpec, ...], workers: int = 1
    ) -> None:
        self.number += 1
        self.announce(build(self.number, pools, routes))
        self.wait_for(self.number, workers)

    def announce(self, snapshot: Snapshot) -> None:
        self.redis.set(bus.SNAPSHOT_KEY, encode(snapshot))
        self.redis.publish(bus.SNAPSHOT_CHANNEL, str(snapshot.number))

    def wait_for(self, number: int, workers: int = 1) -> None:
        """Until the listening port tells this snapshot's number, and so many workers report it."""
        self.wait_until_it_says(number)
        wait_until("the workers report it", lambda: len(self.reports(number)) == workers)

    def wait_until_it_says(self, number: int) -> None:
        try:
            wait_until(f"snapshot {number} runs", lambda: self.health() == number, START_PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-2000:]}") from None

    def health(self) -> int:
        """The number of the snapshot that a worker says it runs; -1: it does not say."""
        try:
            with Client(self.port, tls=self.tls) as client:
                response = client.get("/-/health")
        except OSError:
            return -1
        return int(response.json()["snapshot"]) if response.status == 200 else -1

    def all_reports(self) -> list[EdgeReport]:
        raw = self.redis.hvals(bus.EDGES_KEY)
        return [msgspec.json.decode(report, type=EdgeReport) for report in raw]

    def reports(self, number: int) -> list[EdgeReport]:
        alive = self.workers
        return [r for r in self.all_reports() if r.snapshot_number == number and r.pid in alive]

    def wait_for_workers_to_go_on(self, seconds: float) -> None:
        """What each of the workers does that often is done: for what cannot be seen from here.

        A worker's report is a timer's work, and those that were due before are done by then.
        """
        until, number = time.time() + seconds, len(self.workers)

        def reported() -> bool:
            alive = self.workers
            reports = [one for one in self.all_reports() if one.pid in alive]
            return sum(one.seen_at > until for one in reports) == number

        wait_until("each worker has gone on", reported)

    def say_health(self, backend: BackendSpec, state: HealthState) -> None:
        status = HealthStatus(state=state, since=time.time())
        self.redis.hset(bus.HEALTH_KEY, str(backend.id), msgspec.json.encode(status))
        self.announce_health(backend, status)

    def announce_health(self, backend: BackendSpec, status: HealthStatus) -> None:
        """To those that listen now: whoever reads it again later does not find it."""
        change = HealthChange(backend_id=backend.id, status=status)
        self.redis.publish(bus.HEALTH_CHANNEL, msgspec.json.encode(change))

    # --- the analytics' part ---

    def traffic(self) -> list[TrafficRow]:
        """The rows of the stream; each batch counted once, as a reader has to."""
        batches = {}
        for _, entry in self.redis.xrange(bus.TRAFFIC_STREAM):
            batch = msgspec.msgpack.decode(entry[bus.TRAFFIC_FIELD], type=TrafficBatch)
            batches.setdefault((batch.source, batch.seq), batch)
        return [
            row for batch in batches.values() for second in batch.seconds for row in second.rows
        ]

    def rows_of(self, backend: Backend) -> list[TrafficRow]:
        return [row for row in self.traffic() if row.backend_id == backend.id]

    def counted(self) -> int:
        return sum(row.requests for row in self.traffic())
