"""The product: its gunicorn worker with everything that a default install has on."""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from lbsite.redis_server import command as redis_command
from pool.bus import SNAPSHOT_CHANNEL, SNAPSHOT_KEY
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, Snapshot, build, encode
from proxy.build import build_name
from tests.bench.backend import Address
from tests.bench.cores import share_out
from tests.bench.processes import Program
from tests.bench.systems.base import Site, System

POOL_ID = 1


class Edge(System):
    name = "lbsite"
    title = "lbsite"

    def __init__(self, site: Site, snapshot: Snapshot | None = None) -> None:
        super().__init__(site)
        self.snapshot = snapshot or simple_snapshot(1, site.backends)
        self.options: list[str] = []  # further ones of gunicorn
        self.redis_url = f"unix://{site.folder}/redis.sock"
        self.redis = Redis.from_url(self.redis_url, retry=Retry(ConstantBackoff(0.05), 100))
        self._redis_program: Program | None = None

    @classmethod
    def missing(cls) -> str | None:
        found = importlib.util.find_spec("proxy.worker")
        return None if found else "proxy.worker is not in this checkout"

    @classmethod
    def version(cls) -> str:
        return f"{build_name()} on gunicorn {version('gunicorn')}, uvloop {version('uvloop')}"

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "-k", "proxy.worker.EdgeWorker", "proxy.worker"),
            *("--bind", f"127.0.0.1:{self.port}", "--workers", str(self.site.workers)),
            *self.options,
        ]

    def environment(self) -> dict[str, str]:
        return {"LB_DATA_DIR": str(self.site.folder), "LB_REDIS_URL": self.redis_url}

    def start(self) -> None:
        self.site.folder.mkdir(parents=True, exist_ok=True)
        # Off the edge's core, as on a machine of one's own: it is weighed apart.
        self._redis_program = Program(
            ["taskset", "--cpu-list", str(share_out(1).load[0]), *redis_command(self.site.folder)],
            self.site.folder / "redis.log",
        )
        self._redis_program.wait_until((self.site.folder / "redis.sock").exists)
        self.publish(self.snapshot)
        super().start()

    def publish(self, snapshot: Snapshot) -> None:
        """As the control plane does: the key first, then the announcement."""
        self.redis.set(SNAPSHOT_KEY, encode(snapshot))
        self.redis.publish(SNAPSHOT_CHANNEL, str(snapshot.number))

    def stop(self) -> None:
        super().stop()
        self.redis.close()
        if self._redis_program is not None:
            self._redis_program.stop()

    @property
    def apart(self) -> list[int]:
        return self._redis_program.pids if self._redis_program else []


class LoggingEdge(Edge):
    """The same with a line in the access log for each request: what that costs."""

    name = "lbsite-log"
    title = "lbsite with access log"

    def environment(self) -> dict[str, str]:
        return super().environment() | {"LB_ACCESS_LOG": str(self._access_log)}

    @property
    def growing(self) -> list[Path]:
        return [self._access_log]

    @property
    def _access_log(self) -> Path:
        return self.site.folder / "access.log"


def backend_specs(addresses: tuple[Address, ...]) -> tuple[BackendSpec, ...]:
    return tuple(
        BackendSpec(id=number, name=f"backend-{number}", url=address.url)
        for number, address in enumerate(addresses, start=1)
    )


def simple_snapshot(number: int, addresses: tuple[Address, ...]) -> Snapshot:
    """One pool of these backends, and one route to it for everything."""
    pool = PoolSpec(id=POOL_ID, name="bench", backends=backend_specs(addresses))
    return build(number, (pool,), (RouteSpec(id=1, pool_id=POOL_ID),))
